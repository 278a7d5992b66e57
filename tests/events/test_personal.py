"""Personal values are found wherever a schema marks them, or the mark is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalog import catalog
from events.errors import BadSchema
from events.personal import PersonalField, personal_fields, without_personal

SUBJECT = {"type": "string", "x-personal-data": "subject"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def paths(schema: dict[str, Any]) -> list[tuple[str, ...]]:
    return [field.path for field in personal_fields(schema)]


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (obj(a=SUBJECT), [("a",)]),
        (obj(a=obj(b=SUBJECT)), [("a", "b")]),
        (obj(a={"type": "array", "items": SUBJECT}), [("a", "*")]),
        (
            obj(a={"type": "array", "items": {"items": obj(b=SUBJECT)}}),
            [("a", "*", "*", "b")],
        ),
        ({**obj(a={"$ref": "#/$defs/d"}), "$defs": {"d": obj(b=SUBJECT)}}, [("a", "b")]),
        (obj(a={"anyOf": [{"type": "number"}, SUBJECT]}), [("a",)]),
        ({**obj(), "if": {}, "then": obj(a=SUBJECT), "else": obj(b=SUBJECT)}, [("a",), ("b",)]),
        (obj(a={**obj(b=SUBJECT), "x-personal-data": "subject"}), [("a",)]),
        (obj(a={"type": "string"}), []),
    ],
)
def test_a_mark_becomes_a_path(schema: dict[str, Any], found: list[tuple[str, ...]]) -> None:
    assert paths(schema) == found


@pytest.mark.parametrize(
    "keyword",
    [
        "additionalProperties",
        "patternProperties",
        "prefixItems",
        "contains",
        "not",
        "dependentSchemas",
        "unevaluatedProperties",
        "unevaluatedItems",
    ],
)
def test_a_mark_that_no_path_can_name_is_refused(keyword: str) -> None:
    nested = {"x": SUBJECT} if keyword in {"patternProperties", "dependentSchemas"} else SUBJECT
    value = [nested] if keyword == "prefixItems" else nested
    with pytest.raises(BadSchema, match=rf"under {keyword} of data\.a"):
        personal_fields(obj(a={keyword: value}))


def test_a_mark_behind_a_reference_that_no_path_can_name_is_refused() -> None:
    schema = obj(a={"additionalProperties": {"$ref": "#/$defs/d"}})
    with pytest.raises(BadSchema, match="under additionalProperties"):
        personal_fields({**schema, "$defs": {"d": SUBJECT}})


def test_one_place_about_two_people_is_refused() -> None:
    other = {"format": "identifier", "x-personal-data": "identifier"}
    with pytest.raises(BadSchema, match="two different people"):
        personal_fields(obj(a={"allOf": [SUBJECT, other]}))


def test_the_marks_of_the_catalogue_stand_where_the_design_says() -> None:
    marked = {
        (kind.type, *field.path)
        for kind in catalog().types()
        for field in kind.personal
        if field.path[0] not in {"identifiers", "parties"}
    }
    assert {
        ("complaint.opened", "text"),
        ("review.published", "text"),
        ("feedback.given", "text"),
        ("expectation.stated", "what"),
        ("promise.made", "what"),
        ("promise.renegotiated", "what"),
        ("customer.described", "name"),
        ("customer.described", "attributes"),
        ("referral.made", "referred"),
    } <= marked
    [referred] = [
        field for field in catalog().latest("referral.made").personal if field.path == ("referred",)
    ]
    assert referred.about == "identifier"


def test_every_type_seals_more_identifiers_and_other_parties() -> None:
    for kind in catalog().types():
        about = {field.path: field.about for field in kind.personal}
        assert about["identifiers", "*"] == "subject"
        assert about["parties", "*", "identifier"] == "identifier"


def test_personal_values_are_cut_out_of_arrays_and_objects() -> None:
    fields = [
        PersonalField(("text",), "subject"),
        PersonalField(("names", "*"), "subject"),
        PersonalField(("parties", "*", "identifier"), "identifier"),
        PersonalField(("deep", "er"), "subject"),
    ]
    data = {
        "text": "secret",
        "names": ["secret", "secret"],
        "parties": [{"role": "seller", "identifier": "secret"}, {"role": "buyer"}],
        "deep": {"er": "secret", "kept": 1},
        "kept": 2,
    }
    before = deepcopy(data)
    assert without_personal(data, fields) == {
        "names": [],
        "parties": [{"role": "seller"}, {"role": "buyer"}],
        "deep": {"kept": 1},
        "kept": 2,
    }
    assert data == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from("abc"), json_values, max_size=3),
    st.lists(st.sampled_from("abc*"), min_size=1, max_size=4).filter(lambda path: path[0] != "*"),
)
def test_cutting_holds_for_any_shape_and_twice_is_once(
    data: dict[str, Any], path: list[str]
) -> None:
    fields = [PersonalField(tuple(path), "subject")]
    once = without_personal(data, fields)
    assert without_personal(once, fields) == once
    assert list(_at(once, path)) == []


def _at(node: Any, path: list[str]) -> list[Any]:
    if not path:
        return [node]
    if isinstance(node, list):
        items = cast("list[Any]", node) if path[0] == "*" else []
        return [value for item in items for value in _at(item, path[1:])]
    if isinstance(node, dict) and path[0] in node:
        return _at(cast("dict[str, Any]", node)[path[0]], path[1:])
    return []
