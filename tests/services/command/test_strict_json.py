"""Nothing that was sent is quietly lost or changed by reading it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.command.strict_json import (
    MAX_NESTING,
    BrokenJson,
    losses,
    may_have_lost,
    nul_characters,
    read_json,
    write_json,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [":", "a:b"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def flawed(raw: bytes) -> dict[int, list[str]]:
    """Pointers of what reading `raw` lost, by item; the quick look first, as intake does it."""
    value = read_json(raw)
    written = write_json(value)
    assert written is not None
    if not may_have_lost(raw, [written]):
        return {}
    return {index: [e.pointer for e in errors] for index, errors in losses(raw).items()}


@given(value=VALUES, escaped=st.booleans())
def test_what_can_be_read_in_full_has_no_losses(*, value: Any, escaped: bool) -> None:
    assert flawed(json.dumps(value, ensure_ascii=escaped).encode()) == {}


@given(
    members=st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4),
    again=VALUES,
    escaped=st.booleans(),
)
def test_a_repeated_member_is_always_found(
    *, members: dict[str, Any], again: Any, escaped: bool
) -> None:
    name = next(iter(members))
    pairs = [*members.items(), (name, again)]
    text = ", ".join(
        f"{json.dumps(key, ensure_ascii=escaped)}: {json.dumps(value)}" for key, value in pairs
    )
    assert list(flawed(f"{{{text}}}".encode())) == [0]


def test_an_escaped_colon_does_not_hide_a_repeated_member() -> None:
    assert flawed(rb'{"a": "\u003a", "b": 1, "b": 2}') == {0: ["/b"]}


def test_repeated_members_are_told_by_item_with_their_pointer() -> None:
    raw = b'[{"a": 1}, {"data": {"items": [{"x": 1, "x": 1}]}}, {"a": 1, "a": 1}]'

    assert flawed(raw) == {1: ["/data/items/0/x"], 2: ["/a"]}


def test_a_repeated_member_whose_name_could_be_personal_is_told_as_its_object() -> None:
    assert flawed(b'{"data": {"ada@example.org": 1, "ada@example.org": 2}}') == {0: ["/data"]}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**100])
def test_an_integer_beyond_64_bits_is_told(number: int) -> None:
    assert flawed(b'{"data": [1, %d]}' % number) == {0: ["/data/1"]}


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 10**18])
def test_an_integer_of_64_bits_is_kept(number: int) -> None:
    raw = b'{"data": %d}' % number

    assert flawed(raw) == {}
    assert read_json(raw) == {"data": number}


def test_long_digits_in_a_text_are_no_loss() -> None:
    assert flawed(b'{"parcel": "00340434161094042557123"}') == {}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "nothing in it"),
        (b"  \n", "nothing in it"),
        (b"\xef\xbb\xbf", "nothing in it"),
        (b'{"a": NaN}', "line 1, column 7"),
        (b'{"a": Infinity}', "line 1, column 7"),
        (b'{"a": 1e999}', "line 1, column 7"),
        (b'{\n"a": }', "line 2, column 6"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"[" * 2000 + b"]" * 2000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_where_and_why(raw: bytes, words: str) -> None:
    with pytest.raises(BrokenJson, match=words):
        read_json(raw)


def test_the_words_about_broken_json_repeat_nothing_of_it() -> None:
    with pytest.raises(BrokenJson) as caught:
        read_json(b'{"email": secret@example.org}')

    assert "secret" not in str(caught.value)


def test_one_byte_order_mark_is_passed_over() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_what_cannot_be_written_again_is_told_by_none() -> None:
    assert write_json(read_json(b"[" * MAX_NESTING + b"]" * MAX_NESTING)) is not None
    assert write_json(read_json(b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1))) is None


def test_looking_for_losses_in_something_too_deep_ends_with_words() -> None:
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    with pytest.raises(BrokenJson, match="nested too deeply"):
        losses(deep)


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        (rb'{"id": "a\u0000b"}', ["/id"]),
        (rb'{"data": {"items": ["x", "\u0000"]}}', ["/data/items/1"]),
        (rb'{"data": {"a\u0000": 1}}', ["/data"]),
        (rb'{"data": "\\u0000"}', []),
        (rb'{"data": "plain"}', []),
    ],
)
def test_every_nul_character_is_found(raw: bytes, pointers: list[str]) -> None:
    value = read_json(raw)
    written = write_json(value)

    assert written is not None
    assert [error.pointer for error in nul_characters(value, written)] == pointers
