"""A schema folder that cannot be used stops the load, with words that name it and the cure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from events.catalog import Catalog, catalog
from events.errors import BadSchema

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "title": "Kite flown",
    "description": "The customer flew a kite.",
    "x-sentence": "Flew a kite for {{ data.minutes | counted('minute') }}.",
    "x-retention-class": "relationship",
    "properties": {
        "minutes": {"description": "How long.", "type": "integer", "minimum": 1},
        "flyer": {"$ref": "#/$defs/identifier", "x-personal-data": "identifier"},
        "where": {
            "type": "object",
            "properties": {"place": {"$ref": "#/$defs/label"}},
        },
    },
    "required": ["minutes"],
    "examples": [{"minutes": 3}, {"minutes": 1, "flyer": "crm:1", "where": {"place": "hill"}}],
}
WHERE = "play/kite.flown/1-0-0.json"


def write(folder: Path, document: object, where: str = WHERE) -> Path:
    file = folder / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def field(schema: object) -> dict[str, Any]:
    return changed(properties={**GOOD["properties"], "more": schema})


def test_a_new_folder_is_found_and_needs_no_list(tmp_path: Path) -> None:
    grown = Catalog.load(write(tmp_path, GOOD))
    kind = grown.latest("kite.flown")
    assert kind.domain == "play"
    assert kind.say({"minutes": 1}) == "Flew a kite for 1 minute."
    assert {(field.path, field.about) for field in kind.personal} == {
        (("flyer",), "identifier"),
        (("identifiers", "*"), "subject"),
        (("parties", "*", "identifier"), "identifier"),
    }
    assert grown.check("kite.flown", None, {"minutes": 3, "identifiers": ["crm:1"]}) == []
    assert len(grown.types()) == len(catalog().types()) + 1


def test_objects_of_an_operators_schema_are_closed_at_every_depth(tmp_path: Path) -> None:
    grown = Catalog.load(write(tmp_path, GOOD))
    [error] = grown.check("kite.flown", None, {"minutes": 3, "where": {"plaice": "hill"}})
    assert (error.pointer, error.cure) == ("/data/where/plaice", "Did you mean place?")


def test_a_second_version_stands_beside_the_first(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    grown = Catalog.load(write(tmp_path, GOOD, "play/kite.flown/1-0-1.json"))
    assert grown.latest("kite.flown").version == "1-0-1"
    assert grown.get("kite.flown", "1-0-0").version == "1-0-0"


def test_notes_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "notes", "README.md")
    write(tmp_path, "notes", "play/kite.flown/README.md")
    write(tmp_path, "not json", "play/kite.flown/.1-0-0.json.swp")
    write(tmp_path, "not json", ".git/x/y.json")
    assert Catalog.load(write(tmp_path, GOOD)).latest("kite.flown")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (changed(title=None), "has no title"),
        (changed(title="  "), "has no title"),
        (changed(description=None), "has no description"),
        (changed(**{"x-sentence": None}), "has no x-sentence"),
        (changed(**{"x-retention-class": "for ever"}), "x-retention-class that is not known"),
        (changed(examples=[{"minutes": 3}]), "fewer than two examples"),
        (changed(examples=[{"minutes": 3}, {"minutes": 0}]), "example 2 is refused"),
        (changed(properties=None), "has no properties"),
        (field({"type": "strin"}), "is not a JSON Schema"),
        (field({"type": "string", "pattern": "("}), "is not a JSON Schema"),
        (field({"type": "string", "format": "colour"}), "is not a JSON Schema"),
        (field({"$ref": "#/$defs/nowhere"}), "which is nowhere"),
        (field({"$ref": "https://example.org/schema.json"}), "points outside itself"),
        (field({"$ref": "#"}), "points outside itself"),
        (field({"$dynamicRef": "#/$defs/id"}), "points outside itself"),
        (field({"type": "string", "x-personal-data": "yes"}), "means nothing"),
        (field({"type": "string", "x-personal-data": "identifier"}), "may hold any value"),
        (changed(**{"x-personal-data": "subject"}), "whole of data"),
        (changed(properties={"identifiers": {}}), "defines identifiers"),
        (changed(**{"x-sentence": "Flew {{ data.minuts }}."}), "which the schema lacks"),
        (changed(**{"x-sentence": "By {{ data.flyer }}."}), "which is personal"),
        (changed(**{"x-sentence": "Flew {{ minutes }}."}), "the name minutes"),
        (changed(**{"x-sentence": "Flew {{ data.minutes | shout }}."}), "not a template"),
        (changed(**{"x-sentence": "Flew {{ data.minutes }."}), "not a template"),
        (changed(**{"x-sentence": "{% for i in data.where %}x{% endfor %}"}), "uses a for"),
        (changed(**{"x-sentence": "{{ data.minutes.bit_length() }}"}), "uses a call"),
        (changed(**{"x-sentence": "{% include 'x' %}"}), "uses a include"),
        (changed(**{"x-sentence": "{{ data }}"}), "the sentence fails on example 1"),
        (changed(**{"x-sentence": "By {{ data.where.place }}."}), "fails on example 1"),
    ],
)
def test_a_wrong_schema_is_refused_with_its_file_and_a_cure(
    tmp_path: Path, document: object, words: str
) -> None:
    with pytest.raises(BadSchema) as refused:
        Catalog.load(write(tmp_path, document))
    assert words in refused.value.message
    assert WHERE in refused.value.message
    assert refused.value.cure


@pytest.mark.parametrize(
    "where",
    [
        "Play/kite.flown/1-0-0.json",
        "play/kite/1-0-0.json",
        "play/Kite.Flown/1-0-0.json",
        "play/kite.flown/1.0.0.json",
        "play/kite.flown/0-0-1.json",
        "play/kite.flown/1-0-01.json",
        "play/kite.flown/latest.json",
        "play/kite.flown.json",
        "kite.flown.json",
        "play/kite.flown/1-0-0.json/x.json",
        f"play/kite.{'n' * 100}/1-0-0.json",
    ],
)
def test_a_file_with_another_name_is_refused_not_passed_over(tmp_path: Path, where: str) -> None:
    with pytest.raises(BadSchema) as refused:
        Catalog.load(write(tmp_path, GOOD, where))
    assert str(tmp_path) in refused.value.message
    assert "<domain>/<type>/<version>.json" in refused.value.cure


def test_an_empty_type_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "play" / "kite.flown").mkdir(parents=True)
    with pytest.raises(BadSchema, match="holds no version"):
        Catalog.load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSchema, match="There is no schema folder"):
        Catalog.load(tmp_path / "nowhere")


def test_a_type_of_ours_cannot_be_defined_again(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "commerce/purchase.completed/2-0-0.json")
    with pytest.raises(BadSchema, match=r"purchase\.completed is defined in .* and in "):
        Catalog.load(tmp_path)


def test_one_type_in_two_domains_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "games/kite.flown/1-0-1.json")
    with pytest.raises(BadSchema, match=r"kite\.flown is defined in "):
        Catalog.load(tmp_path)


def test_a_definition_that_contains_itself_is_refused(tmp_path: Path) -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}
    document = {**field({"$ref": "#/$defs/tree"}), "$defs": {"tree": tree}}
    with pytest.raises(BadSchema, match="contains itself"):
        Catalog.load(write(tmp_path, document))


def test_a_field_called_like_a_keyword_is_still_looked_into(tmp_path: Path) -> None:
    secret = {"type": "object", "properties": {"enum": {"$ref": "#/$defs/label"}}}
    grown = Catalog.load(write(tmp_path, field(secret)))
    [error] = grown.check("kite.flown", None, {"minutes": 1, "more": {"enum": 5}})
    assert error.pointer == "/data/more/enum"
