"""What is promised of every event type that is found, and of finding them."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import jsonschema_rs
import orjson
import pytest

import events
from events.catalog import Catalog, EventType, catalog
from events.errors import UnknownType, UnknownVersion
from events.facts import Fact
from events.money import format_money, parse_money
from events.personal import without_personal
from events.retention import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_TYPE = catalog().types()
NEEDED = {
    "commerce": "purchase.completed purchase.returned",
    "service": "contact.handled complaint.opened complaint.responded complaint.resolved "
    "complaint.reopened",
    "advocacy": "referral.made referral.converted",
    "voice": "review.published survey.answered",
    "delivery": "delivery.completed",
    "marketing": "campaign.sent",
    "partnership": "promise.made promise.kept promise.broken",
    "wallet": "wallet.stated outside_purchase.observed",
    "system": "churn_signal.raised churn_signal.cleared",
}
CANARY = "canary-7f31"
NAMED = f"{CANARY}@example.org"

each_type = pytest.mark.parametrize(
    "kind", EVERY_TYPE, ids=[f"{kind.type}/{kind.version}" for kind in EVERY_TYPE]
)


def fact(kind: str, data: dict[str, Any], schema: str = "1-0-0") -> Fact:
    moment = datetime(2011, 1, 1, tzinfo=UTC)
    return Fact(1, UUID(int=1), 1, "shop", "e-1", kind, schema, moment, moment, data)


def test_the_package_called_events_is_ours() -> None:
    root = Path(__file__).parents[2]
    assert events.__file__ is not None
    assert Path(events.__file__).resolve() == root / "events" / "__init__.py"


@pytest.mark.parametrize("domain", NEEDED)
def test_the_touchpoints_of_the_first_release_are_there(domain: str) -> None:
    for name in NEEDED[domain].split():
        assert catalog().latest(name).domain == domain


def test_every_file_in_the_schema_folders_is_found() -> None:
    folder = Path(str(events.__file__)).parent / "schemas"
    files = {(path.parent.name, path.stem) for path in folder.glob("*/*/*.json")}
    assert {(kind.type, kind.version) for kind in EVERY_TYPE} == files


@each_type
def test_every_example_is_accepted_and_survives_its_bytes(kind: EventType) -> None:
    assert len(kind.examples) >= 2
    for example in kind.examples:
        again = orjson.loads(orjson.dumps(example))
        assert again == example
        assert catalog().check(kind.type, kind.version, again) == []
        assert catalog().check(kind.type, None, again) == []


@each_type
def test_the_whole_schema_stands_alone_under_a_plain_validator(kind: EventType) -> None:
    jsonschema_rs.meta.validate(kind.schema)
    plain = jsonschema_rs.Draft202012Validator(kind.schema, offline=True)
    assert all(plain.is_valid(example) for example in kind.examples)


@each_type
def test_some_example_shows_more_than_the_required_fields_where_there_are_more(
    kind: EventType,
) -> None:
    required = set(kind.schema["required"])
    shown = [set(example) for example in kind.examples]
    assert any(required <= names for names in shown)
    assert any(names != required for names in shown) or set(kind.schema["properties"]) == (
        required | {"identifiers", "parties"}
    )


@each_type
def test_every_field_says_what_it_is(kind: EventType) -> None:
    for name, field in kind.schema["properties"].items():
        target = kind.schema["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {})
        assert {**target, **field}.get("description"), name


@each_type
def test_every_type_has_a_known_retention_class(kind: EventType) -> None:
    assert kind.retention in RETENTION


@each_type
def test_every_example_makes_one_plain_sentence(kind: EventType) -> None:
    for example in kind.examples:
        said = catalog().sentence(fact(kind.type, example))
        assert said[0].isupper()
        assert said[-1] == "."
        assert said != f"{kind.title}."
        assert not set("{}_\n") & set(said), said
        assert "None" not in said
        assert "  " not in said


@each_type
def test_the_sentence_is_the_same_once_personal_values_are_gone(kind: EventType) -> None:
    for example in kind.examples:
        sealed = {name: {"key": "k", "sealed": CANARY} for name in example}
        kept = {**sealed, **without_personal(example, kind.personal)}
        said = catalog().sentence(fact(kind.type, kept))
        assert said == catalog().sentence(fact(kind.type, example))
        assert CANARY not in said


@each_type
def test_the_sentence_never_raises_on_odd_data(kind: EventType) -> None:
    odd: list[Any] = [None, 1, "", [], {}, {"sealed": CANARY}, [[{}]], float("nan"), True]
    assert catalog().sentence(fact(kind.type, {}))
    for value in odd:
        said = catalog().sentence(fact(kind.type, dict.fromkeys(kind.schema["properties"], value)))
        assert said
        assert CANARY not in said


def test_a_fact_of_a_version_that_is_gone_is_said_by_the_newest() -> None:
    example = catalog().latest("referral.made").examples[0]
    assert "REF-1" in catalog().sentence(fact("referral.made", example, schema="9-0-0"))


def test_a_fact_of_a_type_that_is_gone_is_said_by_its_name() -> None:
    assert catalog().sentence(fact("kite.flown", {})) == "An event of the type kite.flown."


def test_an_unknown_type_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownType, match=r"Did you mean purchase\.completed\?"):
        catalog().latest("purchase.complete")
    [error] = catalog().check("purchase.complete", None, {})
    assert error.pointer == "/type"
    assert "purchase.completed" in error.cure


def test_an_unknown_type_unlike_any_other_is_answered_without_a_guess() -> None:
    [error] = catalog().check("zzzz.qqqq", "1-0-0", {})
    assert "Did you mean" not in error.cure


def test_an_unknown_version_is_answered_with_the_newest() -> None:
    with pytest.raises(UnknownVersion, match="1-0-0"):
        catalog().get("purchase.completed", "7-0-0")
    [error] = catalog().check("purchase.completed", "7-0-0", {})
    assert error.pointer == "/dataschema"


@each_type
def test_each_missing_required_field_is_named(kind: EventType) -> None:
    for name in kind.schema["required"]:
        data = next(deepcopy(example) for example in kind.examples if name in example)
        del data[name]
        [error] = catalog().check(kind.type, None, data)
        assert error.pointer == f"/data/{name}"
        assert error.message == f"{name} is missing."
        assert error.cure.startswith("Add it: ")


@each_type
def test_a_misspelt_field_is_refused_with_the_right_name(kind: EventType) -> None:
    for example in kind.examples:
        for name in example:
            data = {**example, f"{name}x": 1}
            [error] = catalog().check(kind.type, None, data)
            assert error.pointer == f"/data/{name}x"
            assert error.cure == f"Did you mean {name}?"


@each_type
def test_no_error_repeats_the_value_it_is_about(kind: EventType) -> None:
    for example in kind.examples:
        for broken in _broken_everywhere(example):
            errors = catalog().check(kind.type, None, broken)
            for error in errors:
                assert CANARY not in repr(error)
                assert error.pointer.startswith("/data")
                assert error.message.endswith(".")
                assert error.cure.endswith((".", "?"))


@each_type
def test_every_type_takes_more_identifiers_and_other_parties(kind: EventType) -> None:
    data = {
        **kind.examples[0],
        "identifiers": ["email:Ada@Example.org", "loyalty:17"],
        "parties": [{"role": "franchisee", "identifier": "phone:+44 20 7946 0000"}],
    }
    assert catalog().check(kind.type, None, data) == []


@each_type
def test_all_money_in_examples_reads_back(kind: EventType) -> None:
    for example in kind.examples:
        for value in _objects(example):
            if "currency" in value:
                assert format_money(parse_money(value)) == value


def test_the_newest_version_is_the_greatest_not_the_last_by_name() -> None:
    old = catalog().latest("promise.kept")
    versions = ("1-0-2", "1-0-10", "1-0-9")
    types = {("promise.kept", each): replace(old, version=each) for each in versions}
    grown = Catalog(types)
    assert grown.latest("promise.kept").version == "1-0-10"
    assert [kind.version for kind in grown.types()] == ["1-0-2", "1-0-9", "1-0-10"]


def test_a_nul_character_anywhere_is_refused() -> None:
    text = {"complaint_id": "c", "about": "other", "text": "a\0b"}
    name = {"attributes": {"a\0b": "x"}}
    for kind, data in (("complaint.opened", text), ("customer.described", name)):
        [error] = catalog().check(kind, None, data)
        assert "NUL" in error.message


def test_words_about_a_nul_character_are_not_one() -> None:
    data = {"complaint_id": "c", "about": "other", "text": r"it printed \u0000 on the label"}
    assert catalog().check("complaint.opened", None, data) == []


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("complaint.opened", {"complaint_id": "c", "about": "other", "text": "\ud800"}),
        ("complaint.opened", {"complaint_id": "c", "about": "other\udfff"}),
        ("complaint.opened", {"complaint_id": "c\udfff", "about": "other"}),
        ("customer.described", {"attributes": {"\ud800": "x"}}),
        ("customer.described", {"attributes": {"x": 2**70}}),
    ],
)
def test_what_has_no_json_bytes_is_refused_without_a_crash(kind: str, data: object) -> None:
    errors = catalog().check(kind, None, data)
    assert errors
    assert all(error.pointer.startswith("/data") for error in errors)
    orjson.dumps([(error.pointer, error.message, error.cure) for error in errors])


@pytest.mark.parametrize("data", [None, 1, "x", [], True, [{}]])
def test_data_that_is_no_object_is_refused_at_its_root(data: object) -> None:
    [error] = catalog().check("promise.kept", None, data)
    assert error.pointer == "/data"


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield cast("dict[str, Any]", value)
        value = list(cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        for child in cast("list[Any]", value):
            yield from _objects(child)


def _broken_everywhere(example: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every way to put something personal where it does not fit."""
    for name in example:
        for value in (CANARY, [CANARY], {NAMED: CANARY}, {"amount": CANARY, "currency": CANARY}):
            yield {**example, name: value}
    yield {**example, NAMED: CANARY}
    yield {**example, "identifiers": [CANARY], "parties": [{"role": CANARY, "person": CANARY}]}
    yield json.loads(json.dumps(example).replace('": "', f'": "{CANARY} @ '))
