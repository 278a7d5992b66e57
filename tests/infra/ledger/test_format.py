"""Ledger format 1 is a promise to the byte: the figures here were computed by hand, not by us."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plumbing.ledger.format import (
    NO_LEAF,
    FormatError,
    Frontier,
    Header,
    event_key,
    leaf_hash,
    microseconds,
    node_hash,
    pack_header,
    unpack_header,
)

HEADER = Header(
    stream=UUID("00112233-4455-6677-8899-aabbccddeeff"),
    version=2,
    previous_leaf=bytes(range(32)),
    source="shop",
    event_id="e-1",
    type="purchase.completed",
    schema="1-0-0",
    occurred_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    recorded_at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    key_id="k",
)
PACKED = bytes.fromhex(
    "01"
    "00112233445566778899aabbccddeeff"
    "0000000000000002"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "000473686f70"
    "0003652d31"
    "001270757263686173652e636f6d706c65746564"
    "0005312d302d30"
    "00000000000f4240"
    "ffffffffffffffff"
    "00016b"
)
TEXTS = st.text(max_size=40)
TIMES = st.datetimes(timezones=st.just(UTC))
HEADERS = st.builds(
    Header,
    stream=st.uuids(),
    version=st.integers(0, 2**64 - 1),
    previous_leaf=st.binary(min_size=32, max_size=32),
    source=TEXTS,
    event_id=TEXTS,
    type=TEXTS,
    schema=TEXTS,
    occurred_at=TIMES,
    recorded_at=TIMES,
    key_id=TEXTS,
)


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, written as the paper has it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(tree_root(leaves[:split]), tree_root(leaves[split:]))


def test_a_header_is_these_bytes_and_no_others() -> None:
    assert pack_header(HEADER) == PACKED


def test_the_leaf_is_sha_256_over_zero_the_header_and_the_body_digest() -> None:
    digest = sha256(b"{}").digest()
    assert leaf_hash(PACKED, digest) == sha256(b"\x00" + PACKED + digest).digest()


@given(HEADERS)
def test_a_header_comes_back_from_its_bytes(header: Header) -> None:
    assert unpack_header(pack_header(header)) == header


@given(HEADERS, st.data())
def test_a_header_cut_anywhere_is_told(header: Header, data: st.DataObject) -> None:
    packed = pack_header(header)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(FormatError):
        unpack_header(packed[:cut])


def test_bytes_behind_a_header_and_other_formats_are_told() -> None:
    with pytest.raises(FormatError, match="1 bytes are left over"):
        unpack_header(PACKED + b"!")
    with pytest.raises(FormatError, match="format 2"):
        unpack_header(b"\x02" + PACKED[1:])


def test_a_text_longer_than_its_length_field_is_refused() -> None:
    with pytest.raises(FormatError, match="65535"):
        event_key("s" * 65_536, "e")


@given(TIMES)
def test_times_are_exact_to_the_microsecond(moment: datetime) -> None:
    counted = microseconds(moment)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=counted) == moment


def test_lengths_keep_source_and_id_apart() -> None:
    assert event_key("ab", "c") != event_key("a", "bc")


def test_the_tree_matches_the_published_eight_leaf_root() -> None:
    # github.com/transparency-dev/merkle, testdata: root of its eight leaves.
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    inputs.append("606162636465666768696a6b6c6d6e6f")
    frontier = Frontier()
    for text in inputs:
        frontier.push(leaf_hash(bytes.fromhex(text), b""))
    assert frontier.root() == b64decode("XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=")


def test_the_frontier_has_the_root_of_the_whole_tree_at_every_size() -> None:
    leaves = [sha256(number.to_bytes(4)).digest() for number in range(130)]
    frontier = Frontier()
    for size, leaf in enumerate(leaves):
        assert frontier.root() == tree_root(leaves[:size])
        frontier.push(leaf)
        assert frontier.size == size + 1


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_kept_and_taken_up_again_goes_on_the_same(before: int, after: int) -> None:
    leaves = [sha256(number.to_bytes(4)).digest() for number in range(before + after)]
    first = Frontier()
    first.extend(leaves[:before])
    second = Frontier(first.size, first.packed())
    second.extend(leaves[before:])
    assert second.root() == tree_root(leaves)


def test_a_frontier_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(FormatError, match="2 subtree roots"):
        Frontier(3, NO_LEAF)
