"""A sentence formats for a reader, and gives the title rather than half a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from events.personal import PersonalField
from events.sentences import MAX_LENGTH, compile_sentence

FIELDS = ("a", "items", "keys", "total", "when", "secret")
PERSONAL = (PersonalField(("secret",), "subject"), PersonalField(("a", "name"), "subject"))


def said(template: str, **data: Any) -> str:
    return compile_sentence(template, "Something happened", FIELDS, PERSONAL)(data)


@pytest.mark.parametrize(
    ("template", "data", "sentence"),
    [
        ("Got {{ data.a }}.", {"a": "it"}, "Got it."),
        ("Got {{ data.items | counted('thing') }}.", {"items": [1, 2]}, "Got 2 things."),
        ("Got {{ data.items | counted('thing') }}.", {"items": [1]}, "Got 1 thing."),
        ("Met {{ data.a | counted('person', 'people') }}.", {"a": 1200}, "Met 1,200 people."),
        (
            "Paid {{ data.total | money }}.",
            {"total": {"amount": "1234.5", "currency": "EUR"}},
            "Paid 1,234.5 EUR.",
        ),
        (
            "On {{ data.when | day }}.",
            {"when": "2011-01-01T00:30:00+01:00"},
            "On 31 December 2010.",
        ),
        ("By {{ data.a | words }}.", {"a": "card_expired"}, "By card expired."),
        ("It{% if data.a %} was {{ data.a }}{% endif %}.", {}, "It."),
        ("  It \n was\t{{ data.a }}.", {"a": "so\n so"}, "It was so so."),
        ("Has {{ data.keys }}.", {"keys": "two"}, "Has two."),
    ],
)
def test_a_sentence_reads_formats_and_tests(
    template: str, data: dict[str, Any], sentence: str
) -> None:
    assert said(template, **data) == sentence


@pytest.mark.parametrize(
    ("template", "data"),
    [
        ("Got {{ data.a }}.", {}),
        ("Got {{ data.a.b.c }}.", {"a": "x"}),
        ("Got {{ data.a.upper }}.", {"a": "x"}),
        ("Got {{ data.a }}.", {"a": {"key": "k", "sealed": "c"}}),
        ("Got {{ data.a }}.", {"a": None}),
        ("Got {{ data.a }}.", {"a": True}),
        ("Got {{ data.keys }}.", {}),
        ("Got {{ data.a.name }}.", {"a": {"name": "Ada"}}),
        ("Paid {{ data.total | money }}.", {"total": 5}),
        ("Paid {{ data.total | money }}.", {}),
        ("On {{ data.when | day }}.", {"when": "monday"}),
        ("Got {{ data.items | counted('thing') }}.", {"items": "x"}),
        ("By {{ data.a | words }}.", {"a": 5}),
        ("Was {% if data.a > 5 %}more{% endif %}.", {"a": "x"}),
    ],
)
def test_what_cannot_be_said_whole_is_said_by_the_title(
    template: str, data: dict[str, Any]
) -> None:
    assert said(template, **data) == "Something happened."


def test_a_sentence_is_never_longer_than_its_limit() -> None:
    long = said("Got {{ data.a }}.", a="x" * 10_000)
    assert len(long) == MAX_LENGTH
    assert long.endswith("…")


def test_data_is_left_as_it_was() -> None:
    data = {"a": {"name": "Ada", "rest": 1}, "secret": "s"}
    compile_sentence("It was.", "Title", FIELDS, PERSONAL)(data)
    assert data == {"a": {"name": "Ada", "rest": 1}, "secret": "s"}
