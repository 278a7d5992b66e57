"""A customer's history in a log of many: whole, or every removal is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plumbing.ledger.format import (
    NO_LEAF,
    Frontier,
    Header,
    leaf_hash,
    node_hash,
    pack_header,
    unpack_header,
)
from infra.plumbing.ledger.merkle import inclusion_proof
from services.command.audit.history import Fault, Finding, Shown, check_history

ADA, BOB = UUID(int=1), UUID(int=2)
WHEN = datetime(2026, 3, 1, tzinfo=UTC)
ADAS = 8
SIZE = 20


def header_of(stream: UUID, version: int, previous: bytes) -> Header:
    return Header(stream, version, previous, "shop", f"e-{version}", "t", "1-0-0", WHEN, WHEN, "")


class Log:
    """A log in which two customers take turns, Ada with every other event at first."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.shown: dict[UUID, list[Shown]] = {ADA: [], BOB: []}
        for turn in range(SIZE):
            self.add(ADA if turn % 2 == 0 and len(self.shown[ADA]) < ADAS else BOB)

    def add(self, stream: UUID) -> None:
        before = self.shown[stream]
        header = header_of(stream, len(before) + 1, before[-1].leaf if before else NO_LEAF)
        packed, body = pack_header(header), f"body of {stream} {header.version}".encode()
        digest = sha256(body).digest()
        leaf = leaf_hash(packed, digest)
        self.leaves.append(leaf)
        before.append(Shown(len(self.leaves), packed, body, digest, leaf, None))

    def node(self, level: int, index: int) -> bytes:
        if level == 0:
            return self.leaves[index]
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def root(self) -> bytes:
        edge = Frontier()
        edge.extend(self.leaves)
        return edge.root()

    def proved(self, stream: UUID) -> list[Shown]:
        return [
            replace(each, proof=inclusion_proof(each.position - 1, SIZE, self.node))
            for each in self.shown[stream]
        ]


@cache
def log() -> Log:
    return Log()


def check(shown: list[Shown], receipts: dict[int, bytes] | None = None) -> list[Finding]:
    return check_history(ADA, shown, SIZE, log().root(), receipts)


def faults(shown: list[Shown]) -> set[Fault]:
    return {finding.fault for finding in check(shown)}


def test_a_whole_history_has_no_findings() -> None:
    assert check(log().proved(ADA)) == []
    receipts = {each.position: each.leaf for each in log().shown[ADA]}
    assert check(log().proved(ADA), receipts) == []


def test_a_dropped_body_is_no_finding() -> None:
    assert check([replace(each, body=None) for each in log().proved(ADA)]) == []


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ({0}, "Version 1 is missing before position 3."),
        ({3}, "Version 4 is missing before position 9."),
        ({0, 1, 2}, "Versions 1 to 3 are missing before position 7."),
        ({4, 5}, "Versions 5 to 6 are missing before position 13."),
    ],
)
def test_what_was_removed_is_named(removed: set[int], words: str) -> None:
    rest = [each for place, each in enumerate(log().proved(ADA)) if place not in removed]
    assert [(each.fault, each.words) for each in check(rest)] == [(Fault.MISSING, words)]


@given(st.sets(st.integers(0, ADAS - 2), min_size=1))
def test_every_removal_before_the_last_event_is_named_and_nothing_else(removed: set[int]) -> None:
    rest = [each for place, each in enumerate(log().proved(ADA)) if place not in removed]
    named: set[int] = set()
    for finding in check(rest):
        assert finding.fault is Fault.MISSING
        first, last = _numbers(finding.words)
        named.update(range(first, last + 1))
    assert named == {place + 1 for place in removed}


def _numbers(words: str) -> tuple[int, int]:
    numbers = [int(word) for word in words.split() if word.isdigit()]
    return (numbers[0], numbers[1]) if words.startswith("Versions") else (numbers[0], numbers[0])


def test_the_last_events_left_off_are_named_by_the_receipts_of_their_senders() -> None:
    whole = log().proved(ADA)
    held = {each.position: each.leaf for each in whole[-2:]}
    assert check(whole[:-2]) == []
    named = [(each.fault, each.position) for each in check(whole[:-2], held)]
    assert named == [(Fault.MISSING, position) for position in sorted(held)]
    assert check([], held)[0].words == f"The event with the receipt {min(held)} is not shown."


def test_a_receipt_from_beyond_the_tree_is_not_asked_for() -> None:
    assert check(log().proved(ADA), {SIZE + 1: bytes(32)}) == []


def test_a_renumbered_history_is_found_out_by_the_leaf_before() -> None:
    """Version 4 taken out, 5 calls itself 4: its header is another, so leaf and proof fail too."""
    whole = log().proved(ADA)
    later = unpack_header(whole[4].header)
    packed = pack_header(replace(later, version=4))
    forged = replace(whole[4], header=packed, leaf=leaf_hash(packed, whole[4].body_digest))
    found = faults([*whole[:3], forged])
    assert {Fault.REPLACED, Fault.NOT_INCLUDED} <= found


def test_an_event_relinked_to_hide_the_one_before_is_not_in_the_tree() -> None:
    whole = log().proved(ADA)
    later = unpack_header(whole[4].header)
    packed = pack_header(replace(later, version=4, previous_leaf=whole[2].leaf))
    forged = replace(whole[4], header=packed, leaf=leaf_hash(packed, whole[4].body_digest))
    assert faults([*whole[:3], forged]) == {Fault.NOT_INCLUDED}


def test_a_first_event_that_follows_another_is_not_the_first() -> None:
    packed = pack_header(header_of(ADA, 1, bytes([1]) * 32))
    body = b"x"
    leaf = leaf_hash(packed, sha256(body).digest())
    shown = Shown(1, packed, body, sha256(body).digest(), leaf, [])
    found = check_history(ADA, [shown], 1, leaf)
    assert [(each.fault, each.position) for each in found] == [(Fault.MISSING, 1)]


@given(st.integers(0, ADAS - 1), st.data())
def test_any_flipped_bit_of_what_is_shown_is_found(place: int, data: st.DataObject) -> None:
    whole = log().proved(ADA)
    field = data.draw(st.sampled_from(["header", "body", "body_digest", "leaf"]))
    value: bytes = getattr(whole[place], field)
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    flipped = int.from_bytes(value, "big") ^ (1 << bit)
    whole[place] = replace(whole[place], **{field: flipped.to_bytes(len(value), "big")})
    assert check(whole)


@given(st.permutations(range(ADAS)))
def test_any_other_order_is_found(order: list[int]) -> None:
    whole = log().proved(ADA)
    in_order = order == sorted(order)
    assert bool(check([whole[place] for place in order])) is not in_order


def test_an_event_of_somebody_else_is_found() -> None:
    mixed = sorted([*log().proved(ADA), log().proved(BOB)[0]], key=lambda each: each.position)
    assert Fault.FOREIGN in faults(mixed)


def test_a_missing_or_wrong_proof_is_found() -> None:
    whole = log().proved(ADA)
    assert faults([replace(whole[0], proof=None), *whole[1:]]) == {Fault.NOT_INCLUDED}
    assert faults([replace(whole[0], proof=whole[1].proof), *whole[1:]]) == {Fault.NOT_INCLUDED}


def test_a_history_shown_twice_is_found() -> None:
    assert Fault.ORDER in faults([*log().proved(ADA), *log().proved(ADA)])


def test_a_stream_of_the_library_may_begin_at_zero() -> None:
    packed = pack_header(header_of(ADA, 0, NO_LEAF))
    digest = sha256(b"x").digest()
    leaf = leaf_hash(packed, digest)
    assert check_history(ADA, [Shown(1, packed, b"x", digest, leaf, [])], 1, leaf) == []


def test_a_later_version_at_an_earlier_place_is_found() -> None:
    """Both are proved to be in the tree, linked as they should be; only the places are swapped."""
    bodies = [b"one", b"two"]
    digests = [sha256(body).digest() for body in bodies]
    first = pack_header(header_of(ADA, 1, NO_LEAF))
    leaves = [leaf_hash(first, digests[0])]
    second = pack_header(header_of(ADA, 2, leaves[0]))
    leaves.append(leaf_hash(second, digests[1]))
    shown = [
        Shown(2, first, bodies[0], digests[0], leaves[0], [leaves[1]]),
        Shown(1, second, bodies[1], digests[1], leaves[1], [leaves[0]]),
    ]
    found = check_history(ADA, shown, 2, node_hash(leaves[1], leaves[0]))
    assert [(each.fault, each.position) for each in found] == [(Fault.ORDER, 1)]
