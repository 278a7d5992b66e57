"""Is this one customer's whole history, unchanged, in this tree? Pure: names whatever is missing.

The events of a customer have versions 1..n, each header holds the leaf of the event before it, and
each leaf is proved to be in the tree. So nothing can be taken out between two events that are
shown, nor put in. What was left off behind the last one shows in a receipt that somebody holds,
or in an export of the whole log, never in the history by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from infra.plumbing.ledger.format import NO_LEAF, FormatError, Header, leaf_hash, unpack_header
from infra.plumbing.ledger.merkle import verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

FIRST_VERSIONS = frozenset({0, 1})
"""A customer's stream begins at 1; one of the library's own may begin at 0."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One event as it is shown to whoever checks: all as bytes.

    `body` is None where it was dropped. `proof` leads from `leaf` to the root; None where the
    ledger could not give one.
    """

    position: int
    header: bytes
    body: bytes | None
    body_digest: bytes
    leaf: bytes
    proof: Sequence[bytes] | None


class Fault(StrEnum):
    """What can be wrong with a history."""

    MISSING = "missing"
    REPLACED = "replaced"
    CHANGED = "changed"
    FOREIGN = "foreign"
    NOT_INCLUDED = "not-included"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: which, where (0: nowhere in particular), and in words."""

    fault: Fault
    position: int
    words: str


class HistoryCheck:
    """Checks the history of `stream`, event by event, against a tree of `size` leaves."""

    def __init__(self, stream: UUID, size: int, root: bytes) -> None:
        """Begin before the first event."""
        self._stream = stream
        self._size = size
        self._tree = (size, root)
        self._position = 0
        self._version: int | None = None
        self._leaf = NO_LEAF
        self._seen: dict[int, bytes] = {}

    def step(self, shown: Shown, tree: tuple[int, bytes] | None = None) -> list[Finding]:
        """What is wrong with the next event, and between it and the one before.

        `tree`: size and root of the tree its proof leads to, if that is another than the whole.
        """
        at = shown.position
        try:
            header = unpack_header(shown.header)
        except FormatError as error:
            return [Finding(Fault.CHANGED, at, str(error))]
        found = [*check_event(shown, *(tree or self._tree)), *self._place(shown, header)]
        self._position, self._version, self._leaf = at, header.version, shown.leaf
        self._seen[at] = shown.leaf
        return found

    def end(self, receipts: Mapping[int, bytes] | None = None) -> list[Finding]:
        """What is missing of the `receipts` (position to leaf) that somebody holds."""
        return [
            Finding(Fault.MISSING, position, f"The event with the receipt {position} is not shown.")
            for position, leaf in sorted((receipts or {}).items())
            if position <= self._size and self._seen.get(position) != leaf
        ]

    def _place(self, shown: Shown, header: Header) -> Iterable[Finding]:
        at, version = shown.position, header.version
        if header.stream != self._stream:
            yield Finding(Fault.FOREIGN, at, f"Position {at} belongs to another customer.")
        if at <= self._position:
            yield Finding(Fault.ORDER, at, f"Position {at} comes after {self._position}.")
        if self._version is None:
            yield from self._first(at, header)
        elif version > self._version + 1:
            words = _gone(self._version + 1, version - 1)
            yield Finding(Fault.MISSING, at, f"{words} before position {at}.")
        elif version <= self._version:
            yield Finding(Fault.ORDER, at, f"Version {version} comes after {self._version}.")
        elif header.previous_leaf != self._leaf:
            words = f"The event before version {version} is not the one it was recorded after."
            yield Finding(Fault.REPLACED, at, words)

    def _first(self, at: int, header: Header) -> Iterable[Finding]:
        if header.version not in FIRST_VERSIONS:
            words = _gone(1, header.version - 1)
            yield Finding(Fault.MISSING, at, f"{words} before position {at}.")
        elif header.previous_leaf != NO_LEAF:
            words = f"An event was recorded before version {header.version} and is not shown."
            yield Finding(Fault.MISSING, at, words)


def changes(shown: Shown) -> list[Finding]:
    """Where body, digest, header and leaf of an event do not fit each other."""
    at, found = shown.position, list[Finding]()
    if shown.body is not None and sha256(shown.body).digest() != shown.body_digest:
        words = f"The body at position {at} is not the one recorded."
        found.append(Finding(Fault.CHANGED, at, words))
    if leaf_hash(shown.header, shown.body_digest) != shown.leaf:
        words = f"The leaf at position {at} is not that of its header and body."
        found.append(Finding(Fault.CHANGED, at, words))
    return found


def check_event(shown: Shown, size: int, root: bytes) -> list[Finding]:
    """What is wrong with an event by itself: its changes, and whether it is proved."""
    found, at = changes(shown), shown.position
    if shown.proof is None or not verify_inclusion(shown.leaf, at - 1, size, shown.proof, root):
        words = f"The event at position {at} is not proved to be in the tree."
        found.append(Finding(Fault.NOT_INCLUDED, at, words))
    return found


def is_as_recorded(found: Iterable[Finding]) -> bool:
    """Whether an event's content may be read as what was recorded, whatever else is wrong."""
    return all(each.fault is not Fault.CHANGED for each in found)


def check_nothing_yet(shown: Shown, stream: UUID, size: int) -> list[Finding]:
    """What speaks against `stream` having had no event among the first `size`.

    `shown`: the first event of the stream, checked by itself. Versions count up from the first
    without a hole, so nothing of the stream stands before it.
    """
    at = shown.position
    try:
        header = unpack_header(shown.header)
    except FormatError as error:
        return [Finding(Fault.CHANGED, at, str(error))]
    if header.stream != stream:
        return [Finding(Fault.FOREIGN, at, f"Position {at} belongs to another customer.")]
    first = header.version in FIRST_VERSIONS and header.previous_leaf == NO_LEAF
    if first and at > size:
        return []
    return [Finding(Fault.MISSING, at, f"Events were recorded before position {at}.")]


def check_history(
    stream: UUID,
    shown: Iterable[Shown],
    size: int,
    root: bytes,
    receipts: Mapping[int, bytes] | None = None,
) -> list[Finding]:
    """Everything that is wrong with a customer's history; nothing if it is whole and unchanged.

    `size` and `root` come from a checkpoint that is trusted; `receipts` (position to leaf) are
    those of intake answers for this customer.
    """
    check = HistoryCheck(stream, size, root)
    found = [finding for each in shown for finding in check.step(each)]
    return [*found, *check.end(receipts)]


def _gone(first: int, last: int) -> str:
    if first == last:
        return f"Version {first} is missing"
    return f"Versions {first} to {last} are missing"
