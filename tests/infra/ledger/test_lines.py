"""Lines checked together say what they say one by one, whatever is in their headers."""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plumbing.ledger import lines
from infra.plumbing.ledger.entries import write_line
from infra.plumbing.ledger.format import FORMAT, leaf_hash, node_hash, pack_header
from tests.infra.ledger.forge import history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EACH: Callable[[bytes, int], lines.Block] = vars(lines)["_check_each"]
TEXTS = st.text(st.sampled_from("aé€"), max_size=3) | st.just("a" * 200)
MICROSECONDS = st.integers(lines.EARLIEST, lines.LATEST) | st.sampled_from(
    [lines.EARLIEST, -1, 0, (3 << 56) - 1, 3 << 56, lines.LATEST]
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HONEST = history(6)


def held(block: lines.Block) -> tuple[object, ...]:
    return block.links, block.subtrees, block.bodies, block.fault


def line_over(header: bytes, position: int) -> bytes:
    leaf = leaf_hash(header, sha256(b"{}").digest())
    return write_line(position, header, b"{}", leaf, whole=True)


def both(headers: Sequence[bytes], first: int = 1) -> lines.Block:
    chunk = b"".join(line_over(header, place) for place, header in enumerate(headers, first))
    together = lines.check_lines(chunk, first)
    assert held(together) == held(EACH(chunk, first))
    return together


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, MICROSECONDS), max_size=6))
def test_headers_of_every_layout_are_read_alike(
    told: list[tuple[str, str, str, int]],
) -> None:
    headers = [
        pack_header(
            replace(
                HONEST[0].header,
                source=source,
                type=kind,
                key_id=key_id,
                occurred_at=EPOCH + timedelta(microseconds=at),
            )
        )
        for source, kind, key_id, at in told
    ]
    block = both(headers)
    assert (block.fault, block.count) == (None, len(told))


@given(st.integers(0, 5), st.integers(0, 300), st.integers(0, 255))
def test_a_byte_of_one_header_changed_among_others_of_its_length_is_judged_alike(
    which: int, at: int, byte: int
) -> None:
    headers = [bytearray(pack_header(item.header)) for item in HONEST]
    headers[which][at % len(headers[which])] = byte
    both([bytes(header) for header in headers])


def test_texts_of_other_lengths_in_headers_of_one_length_are_read_where_they_stand() -> None:
    plain = replace(HONEST[0].header, source="shop", event_id="event")
    other = replace(plain, source="shops", event_id="even")
    headers = [pack_header(plain), pack_header(other), pack_header(plain)]
    assert len({len(header) for header in headers}) == 1
    assert both(headers).fault is None


def test_a_time_outside_the_years_1_to_9999_is_refused_among_others() -> None:
    headers = [pack_header(item.header) for item in HONEST]
    key_id = len(HONEST[0].header.key_id) + 2
    for micros in (lines.LATEST + 1, lines.EARLIEST - 1):
        time = micros.to_bytes(8, signed=True)
        for before in (16, 8):
            at = len(headers[3]) - key_id - before
            bad = headers[3][:at] + time + headers[3][at + 8 :]
            block = both([*headers[:3], bad, *headers[4:]])
            assert (block.count, block.fault) == (3, "the header is not of format 1")


@given(st.integers(0, 40), st.integers(0, 40))
def test_perfect_subtrees_are_those_of_a_tree_grown_leaf_by_leaf(index: int, count: int) -> None:
    leaves = [bytes([at]) * 32 for at in range(count)]
    grown: list[tuple[int, bytes]] = []
    for at, leaf in enumerate(leaves, index):
        level, node = 0, leaf
        while at >> level & 1 and grown and grown[-1][0] == level:
            node = node_hash(grown.pop()[1], node)
            level += 1
        grown.append((level, node))
    assert lines.perfect_subtrees(leaves, index) == grown


def test_the_lines_are_of_the_format_that_is_written() -> None:
    assert vars(lines)["_FORMAT"] == FORMAT


ENDS = [bytes(end) for end in product(b"AEQgw/1=-\n", repeat=5)]
"""What may stand at the end of base64: spare bits of all kinds, padding of all lengths, rubbish."""


@pytest.mark.parametrize("before", [b"", b"Ab+/" * 20, b"Ab+/" * 20 + b"Q"])
def test_base64_is_read_in_the_one_form_that_encodes_to_itself(before: bytes) -> None:
    rubbish = [
        b"Ab+/" * at + bytes([byte]) + b"b+/" + b"Ab+/" * 20
        for at in (0, 19)
        for byte in range(256)
    ]
    accepted = 0
    for text in [*(before + end[at:] for end in ENDS for at in range(5)), *rubbish]:
        found = each_decoded(text)
        assert all_decoded(text) == found, text
        if found is not None:
            assert b2a_base64(found, newline=False) == text
            accepted += 1
    assert accepted


def all_decoded(text: bytes) -> bytes | None:
    try:
        return vars(lines)["_all_decoded"]([text])[0]
    except ValueError:
        return None


def each_decoded(text: bytes) -> bytes | None:
    try:
        return vars(lines)["_decoded"](text)
    except lines.EntryBad:
        return None
