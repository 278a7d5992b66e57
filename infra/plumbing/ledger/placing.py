"""Where each event of an append comes to stand: its version, position, leaf and row. Pure.

The hot loop of the ledger. What follows from an event alone is worked out while the server locks
the head (`Hashed`); `rows_of` does the rest in one loop, from which every call and object that can
be spared is left out (decision 0047).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from infra.plumbing.ledger.answers import Fenced, Known, Receipt, Stored
from infra.plumbing.ledger.errors import WrongVersion
from infra.plumbing.ledger.format import (
    EPOCH,
    FORMAT,
    MICROSECOND,
    NO_LEAF,
    FormatError,
    Frontier,
    encode_text,
    key_of,
)
from infra.plumbing.ledger.rows import (
    EPOCH_SHIFT,
    FIELDS,
    LONGER,
    NULL,
    START,
    pack_fixed,
    pack_length,
    text_fields,
    time_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from infra.plumbing.ledger.answers import NewEvent, Outcome

FIRST_VERSION = 1
MAC_BYTES = 32
SMALLEST_PART, LARGEST_PART, PARTS = 16, 100, 6
"""Events handed over at a time: the server stores them while the next are hashed and placed."""

# A leaf is hashed over a zero byte and then the header, which begins with these.
head_of = struct.Struct(">BB16sQ32s").pack
times_of = struct.Struct(">qq").pack
_receipt = cast("Callable[[type[Receipt], tuple[Any, ...]], Receipt]", tuple.__new__)

Last = tuple[int, int, bytes, bytes]
"""Of a stream: number, last version and its leaf, and the first key's id as a header has it."""


@dataclass(slots=True)
class Ground:
    """What an append stands on, moved along as events are placed."""

    events: Sequence[NewEvent]
    frontier: Frontier
    recorded_at: int
    """Microseconds since 1970."""
    streams: int
    """How many the ledger knows, not counting `new_streams`."""
    last: dict[bytes, Last]
    """By the stream's bytes."""
    fenced: set[bytes]
    known: dict[bytes, Known]
    """By event key."""
    numbered: dict[bytes, int]
    """By the stream's bytes: those without an event that have a number all the same."""
    placed: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """By event key: which of `events` took the place, and so which of `outcomes` tells it."""
    leaves: list[bytes] = field(default_factory=list[bytes])
    new_streams: list[bytes] = field(default_factory=list[bytes])
    """Their 16 bytes, in the order of their numbers."""
    outcomes: list[Outcome] = field(default_factory=list["Outcome"])


class Kind(NamedTuple):
    """What all events of one source, type and schema share."""

    source: bytes
    """As the header writes it."""
    type: bytes
    """Type and schema, as the header writes them."""
    row: bytes
    """All three as COPY fields, and what stands before the event id."""


@lru_cache(maxsize=4096)
def kind_of(source: str, type_: str, schema: str) -> Kind:
    """The bytes of the three, remembered."""
    row = text_fields(source, type_, schema) + LONGER
    return Kind(encode_text(source), encode_text(type_) + encode_text(schema), row)


class Hashed:
    """What follows from each of some events alone.

    `streams`: the stream's 16 bytes; `ids`: the event id as the header writes it; `kinds`; `keys`:
    the narrow unique key of source and id, 16 bytes; `digests`: the SHA-256 of the body.
    """

    __slots__ = ("digests", "events", "ids", "keys", "kinds", "streams")

    def __init__(self, events: Sequence[NewEvent], streams: Sequence[bytes]) -> None:
        """Hash and encode events of `streams` (their 16 bytes).

        Raises:
            FormatError: a text is too long for a header, or a content MAC is not 32 bytes.
        """
        for size in {len(event.content_mac) for event in events} - {MAC_BYTES}:
            raise FormatError(f"A content MAC of {size} bytes is none of ours.")
        self.events = events
        self.streams = streams
        self.ids = [encode_text(event.event_id) for event in events]
        self.kinds = [kind_of(event.source, event.type, event.schema) for event in events]
        named = zip(self.kinds, self.ids, strict=True)
        self.keys = [key_of(kind.source + id_) for kind, id_ in named]
        self.digests = [sha256(event.body).digest() for event in events]

    def each(self) -> Iterator[tuple[NewEvent, bytes, bytes, Kind, bytes, bytes]]:
        """Event, stream, id, kind, key and digest, one event after the other."""
        lists = (self.events, self.streams, self.ids, self.kinds, self.keys, self.digests)
        return zip(*lists, strict=True)


def streams_of(events: Sequence[NewEvent]) -> list[bytes]:
    """The 16 bytes of each event's stream."""
    return [event.stream.int.to_bytes(16) for event in events]  # half the time of `.bytes`


def in_parts(events: Sequence[NewEvent], streams: Sequence[bytes]) -> Iterator[Hashed]:
    """The events hashed, a part at a time: what is hashed and packed at once is still at hand."""
    size = size_of_parts(len(events))
    parts = (slice(at, at + size) for at in range(0, len(events), size))
    return (Hashed(events[part], streams[part]) for part in parts)


def first_key_of(stream: bytes) -> bytes:
    """The id of a stream's first key, as the header writes it: rows leave it out."""
    digits = stream.hex().encode()
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return b"\x00\x26%b-%b-%b-%b-%b/1" % parts


def size_of_parts(events: int) -> int:
    """How many of so many events make a part, of which the last may be shorter."""
    return min(LARGEST_PART, max(SMALLEST_PART, ceil(events / PARTS)))


def rows_of(ground: Ground, parts: Iterable[Hashed], *, repeated: bool = False) -> Generator[bytes]:
    """Give each event its place, or say why it has none; the rows of a COPY, by parts.

    Outcomes and leaves are added to `ground`. `repeated`: an event that stands there with the very
    bytes given is our own. Raises WrongVersion and, where a text is too long, FormatError.
    """
    last, placed, outcomes, leaves = ground.last, ground.placed, ground.outcomes, ground.leaves
    position, now = ground.frontier.size, ground.recorded_at
    taken = {*ground.known, *ground.fenced}
    packed = [START]
    for part in parts:
        for event, stream, id_, kind, key, digest in part.each():
            if key in placed or (taken and (key in taken or stream in taken)):
                outcomes.append(_told(ground, event, key, digest, repeated=repeated))
                continue
            stream_id, _, _, _, _, moment, body, mac, key_id, sent, expected = event
            if (before := last.get(stream)) is None or expected is not None:
                before = _checked(ground, event, before)
            number, ended, previous, first_key = before
            position, version = position + 1, ended + 1
            own_key, occurred = encode_text(key_id), (moment - EPOCH) // MICROSECOND
            start, times = head_of(0, FORMAT, stream, version, previous), times_of(occurred, now)
            hashed = (start, kind.source, id_, kind.type, times, own_key, digest)
            leaf = sha256(b"".join(hashed)).digest()
            # fmt: off
            fixed = pack_fixed(
                FIELDS, 8, position, 4, version, 8, now - EPOCH_SHIFT, 32, leaf,
                8, occurred - EPOCH_SHIFT, 4, number, 16, key, 32, mac,
            )
            # fmt: on
            sent_at = NULL if sent is None else time_field(sent)
            key_field = NULL if own_key == first_key else LONGER + own_key
            packed += fixed, sent_at, kind.row, id_, key_field, pack_length(len(body)), body
            last[stream] = number, version, leaf, first_key
            leaves.append(leaf)
            placed[key] = len(outcomes)
            outcomes.append(Stored(_receipt(Receipt, (stream_id, version, position, leaf))))
        yield b"".join(packed)
        packed.clear()


def _told(ground: Ground, event: NewEvent, key: bytes, digest: bytes, *, repeated: bool) -> Outcome:
    """The answer to an event that is there already, or whose stream takes no more."""
    if key in ground.known:
        return again(ground.known[key], event, digest, repeated=repeated)
    if key in ground.placed:
        first = ground.placed[key]
        receipt = cast("Stored", ground.outcomes[first]).receipt
        return Known(receipt, ground.events[first].content_mac, digest).against(event.content_mac)
    return Fenced(event.stream)


def again(known: Known, event: NewEvent, digest: bytes, *, repeated: bool) -> Outcome:
    """The answer to an event whose source and id are stored: our own, a repeat or a conflict."""
    if repeated and known.digest == digest:
        return Stored(known.receipt)
    return known.against(event.content_mac)


def _checked(ground: Ground, event: NewEvent, last: Last | None) -> Last:
    """What the event follows in its stream, if it may. A stream that is new gets its number."""
    expected = event.expected_version
    if last is None:
        # The library's recorder interface starts some streams at 0; customer streams start at 1.
        if expected is not None and expected not in {0, -1}:
            raise WrongVersion(event.stream, expected, None)
        stream = event.stream.bytes
        number = ground.numbered.get(stream)
        if number is None:
            ground.new_streams.append(stream)
            number = ground.streams + len(ground.new_streams)
        return number, (expected or FIRST_VERSION - 1), NO_LEAF, first_key_of(stream)
    if expected is not None and expected != last[1]:
        raise WrongVersion(event.stream, expected, last[1])
    return last
