"""Personal values leave a body unreadable without the one key they belong to, in the one place."""

from __future__ import annotations

from copy import deepcopy
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.personal import PersonalField
from infra.plumbing.vault.master import KeyGone
from infra.plumbing.vault.seal import Person, Place, open_value, seal_event

ADA = Person(UUID(int=1), "ada/1", bytes(range(32)))
BOB = Person(UUID(int=2), "bob/1", bytes(range(32, 64)))
OTHERS = {"email:bob@example.org": BOB}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "shop",
    "type": "complaint.opened",
    "time": "2026-01-01T00:00:00Z",
    "subject": "email:ada@example.org",
    "data": {
        "text": "canary-text",
        "identifiers": ["phone:+441632960001"],
        "parties": [{"role": "witness", "identifier": "email:BOB@example.org"}],
        "notes": [{"by": "canary-one"}, {"at": 3}, {"by": "canary-two"}],
        "severity": "high",
    },
}
PERSONAL = (
    PersonalField(("text",), "subject"),
    PersonalField(("notes", "*", "by"), "subject"),
    PersonalField(("absent",), "subject"),
)
PLACE = Place.of(ADA.stream, "shop", "e-1")


def sealed() -> dict[str, Any]:
    return orjson.loads(seal_event(EVENT, ADA, OTHERS, PERSONAL))


def test_no_personal_value_stands_in_the_body() -> None:
    body = seal_event(EVENT, ADA, OTHERS, PERSONAL)
    for canary in (b"canary", b"ada@", b"bob@", b"BOB@", b"441632960001"):
        assert canary not in body
    assert orjson.loads(body)["data"]["severity"] == "high"


def test_sealing_leaves_the_event_as_it_was() -> None:
    before = deepcopy(EVENT)
    sealed()
    assert before == EVENT


def test_the_body_names_the_customer_and_keeps_the_subject_sealed() -> None:
    body = sealed()
    assert body["subject"] == f"customer:{ADA.stream}"
    opened = open_value(body["originalsubject"], ADA.key, PLACE, "/originalsubject")
    assert opened == "email:ada@example.org"


def test_every_value_opens_in_its_place_with_its_persons_key() -> None:
    data = sealed()["data"]
    assert open_value(data["text"], ADA.key, PLACE, "/data/text") == "canary-text"
    assert open_value(data["notes"][2]["by"], ADA.key, PLACE, "/data/notes/2/by") == "canary-two"
    assert open_value(data["identifiers"][0], ADA.key, PLACE, "/data/identifiers/0") == (
        "phone:+441632960001"
    )
    party = data["parties"][0]["identifier"]
    assert party["key"] == "bob/1"
    assert open_value(party, BOB.key, PLACE, "/data/parties/0/identifier") == (
        "email:BOB@example.org"
    )


@pytest.mark.parametrize(
    ("key", "place", "pointer"),
    [
        (BOB.key, PLACE, "/data/text"),
        (ADA.key, PLACE, "/data/other"),
        (ADA.key, Place.of(BOB.stream, "shop", "e-1"), "/data/text"),
        (ADA.key, Place.of(ADA.stream, "shop2", "e-1"), "/data/text"),
        (ADA.key, Place.of(ADA.stream, "shop", "e-2"), "/data/text"),
    ],
)
def test_a_value_does_not_open_with_another_key_or_in_another_place(
    key: bytes, place: Place, pointer: str
) -> None:
    with pytest.raises(KeyGone):
        open_value(sealed()["data"]["text"], key, place, pointer)


def test_a_customer_named_by_uuid_has_no_subject_to_hide() -> None:
    event = {**EVENT, "subject": f"customer:{ADA.stream}"}
    assert "originalsubject" not in orjson.loads(seal_event(event, ADA, OTHERS, PERSONAL))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
        max_leaves=8,
    )
)
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    event = {**EVENT, "data": {"text": value}}
    body = orjson.loads(seal_event(event, ADA, {}, PERSONAL))
    assert open_value(body["data"]["text"], ADA.key, PLACE, "/data/text") == value


def test_no_two_seals_are_alike() -> None:
    assert sealed()["data"]["text"] != sealed()["data"]["text"]
