"""The ledger's one writer in this process: appends under the head lock, remembering what it wrote.

One event is one call of `ledger.append_one`, a single round trip. Several take three steps: lock
and look, COPY (the server stores some rows while the next are hashed here), move the head and
commit. Positions are dense and in commit order because the head row is locked from the first step
to the commit.

The writer remembers the head and the last event of each stream it wrote. They count only while the
locked head is the remembered one, so several processes stay correct and one stays fast. Many events
are inserted without asking whether they are there already; where the unique key says that one is,
the batch is done again with that question asked first.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from infra.plumbing.ledger import rows
from infra.plumbing.ledger.answers import Fenced, Known, Receipt, Stored
from infra.plumbing.ledger.errors import LedgerWentBack, WrongVersion
from infra.plumbing.ledger.format import NO_LEAF, Frontier, join_header, microseconds
from infra.plumbing.ledger.keyed import Keyed
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from datetime import datetime

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome

CHANNEL = "rapport_ledger"
"""NOTIFY channel; one empty message for each transaction that appended."""
FIRST_VERSION = 1
FEW = 64
"""Up to so many events are looked up before they are inserted: cheaper than one failed COPY."""
STREAMS_REMEMBERED = 200_000
"""About 40 MB; beyond, all are forgotten at once."""
SQL = Queries.beside("infra.plumbing.ledger", "ledger.sql")
COPY_ROWS = 100
"""Rows handed to the server at a time, which works on them while the next are packed."""
_COPY = b"COPY ledger.events (" + rows.COLUMNS + b") FROM STDIN (FORMAT binary)"
_ONCE = "events_source_event_id"

Last = tuple[int, bytes]
"""A stream's last version and its leaf."""

_NOTHING: Final[tuple[set[bytes], dict[bytes, Last]]] = (set(), {})


@dataclass(slots=True)
class _Memory:
    """What this process wrote last, by the stream's bytes: true while the head has this size.

    And while no fence is newer.
    """

    size: int = -1
    newest_fence: int = -1
    last: dict[bytes, Last] = field(default_factory=dict[bytes, Last])


@dataclass(slots=True)
class _Ground:
    """What an append stands on, moved along as events are placed."""

    hashed: list[Keyed]
    """The first of the events, or all."""
    frontier: Frontier
    recorded_at: datetime
    last: dict[bytes, Last]
    fenced: set[bytes]
    known: dict[bytes, Known]
    placed: dict[bytes, tuple[Receipt, bytes]] = field(
        default_factory=dict[bytes, tuple[Receipt, bytes]]
    )
    """By event key: where it stands now and its content MAC."""
    leaves: list[bytes] = field(default_factory=list[bytes])
    outcomes: list[Outcome] = field(default_factory=list["Outcome"])


class Writer:
    """Appends for one process; safe for many threads, which take turns."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._turn = Lock()
        self._memory = _Memory()
        self.written = 0
        """The last position this writer wrote; the ledger never ends before it."""

    def append(
        self, connection: Connection[Any], events: Sequence[NewEvent], *, repeated: bool = False
    ) -> list[Outcome]:
        """Append `events` in order and answer one outcome each, all in one transaction.

        `repeated`: the same call was made before and its commit may have gone through unanswered.
        An event that stands there with the very bytes given is then our own: `Stored`.
        `connection` is in autocommit mode.

        Raises:
            WrongVersion: a stream is not at the expected version; nothing was written.
            LedgerWentBack: the ledger ends before what was written here; nothing was written.
            FormatError: an event does not fit the format; nothing was written.
            psycopg.Error: what PostgreSQL or the connection says; before the commit nothing was
                written, at the commit the outcome is unknown.
        """
        if not events:
            return []
        with self._turn:
            if len(events) == 1:
                return [self._append_one(connection, Keyed(events[0]), repeated=repeated)]
            ask = repeated or len(events) <= FEW
            try:
                return self._append(connection, events, ask=ask, repeated=repeated)
            except psycopg.errors.UniqueViolation as twice:
                if ask or twice.diag.constraint_name != _ONCE:
                    raise
                return self._append(connection, events, ask=True, repeated=repeated)

    def append_within(self, connection: Connection[Any], event: NewEvent) -> Outcome:
        """Append one event in the transaction that the caller has open: it alone may end it.

        Nothing of it is remembered, as the caller may still roll back.

        Raises:
            ValueError: no transaction is open, so the event would be committed at once.
            psycopg.Error: what PostgreSQL or the connection says.
        """
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise ValueError("Open a transaction first: this append is a part of it.")
        with self._turn:
            written = self.written
            try:
                return self._append_one(connection, Keyed(event), repeated=False)
            finally:
                self.written, self._memory = written, _Memory()

    def _append_one(self, connection: Connection[Any], keyed: Keyed, *, repeated: bool) -> Outcome:
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            cursor.execute(SQL["append_one"], (*_one_event(keyed), self.written), prepare=True)
            answer, stream, version, position, leaf, mac, digest = _one(cursor)
        match answer:
            case "stored":
                receipt = Receipt(stream, version, position, leaf)
                self._remember(receipt)
                self.written = position
                return Stored(receipt)
            case "known":
                known = Known(Receipt(stream, version, position, leaf), mac, digest)
                return _again(known, keyed, repeated=repeated)
            case "fenced":
                return Fenced(stream)
            case "went back":
                raise LedgerWentBack(position, self.written)
            case _:
                raise WrongVersion(stream, keyed.event.expected_version or 0, version)

    def _remember(self, receipt: Receipt) -> None:
        """One event followed what is remembered: go on from it."""
        if self._memory.size == receipt.position - 1:
            self._memory.size = receipt.position
            self._memory.last[receipt.stream.bytes] = (receipt.version, receipt.leaf)

    def _refuse_an_older(self, size: int) -> None:
        if size < self.written:
            raise LedgerWentBack(size, self.written)

    def _append(
        self, connection: Connection[Any], events: Sequence[NewEvent], *, ask: bool, repeated: bool
    ) -> list[Outcome]:
        memory, self._memory = self._memory, _Memory()  # forgotten unless all goes well
        try:
            ground = _look(connection, memory, events, ask=ask)
            self._refuse_an_older(ground.frontier.size)
            _write(connection, ground, _place(ground, events, repeated=repeated))
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise
        memory.size = self.written = ground.frontier.size
        if len(memory.last) <= STREAMS_REMEMBERED:
            self._memory = memory
        return ground.outcomes


def _look(
    connection: Connection[Any], memory: _Memory, events: Sequence[NewEvent], *, ask: bool
) -> _Ground:
    """The first round trip. Each statement sees what is committed once the lock is held.

    While the server looks, the first events are hashed.
    """
    streams = {event.stream.bytes for event in events}
    hashed = [Keyed(event) for event in events] if ask else []
    strange = [stream for stream in streams if stream not in memory.last]
    with _cursors(connection, 5) as (head, fence, fenced, last, known):
        with connection.pipeline():  # what comes back is read behind it: one round trip
            connection.execute(b"BEGIN")
            head.execute(SQL["lock_head"], prepare=True)
            fence.execute(SQL["newest_fence"], prepare=True)
            _ask_ends(strange, fenced, last)
            if ask:
                keys = rows.Uuids([keyed.key for keyed in hashed])
                known.execute(SQL["known"], [keys], prepare=True)
            connection.pgconn.send_flush_request()
            connection.pgconn.flush()
            hashed = hashed or [Keyed(event) for event in events[:COPY_ROWS]]
        size, frontier, recorded_at = _one(head)
        (newest_fence,) = _one(fence)
        there = known_by_key(known) if ask else {}
        found = _ends(fenced, last) if strange else _NOTHING
    if (memory.size, memory.newest_fence) != (size, newest_fence):
        memory.last.clear()
        memory.newest_fence = newest_fence
        if len(strange) < len(streams):  # what was remembered of the others is stale
            found = _look_up(connection, list(streams))
    closed, ends = found
    memory.last.update(ends)
    return _Ground(hashed, Frontier(size, frontier), recorded_at, memory.last, closed, there)


def _look_up(
    connection: Connection[Any], streams: list[bytes]
) -> tuple[set[bytes], dict[bytes, Last]]:
    """Which of `streams` are fenced, and where the others end."""
    with _cursors(connection, 2) as (fenced, last):
        with connection.pipeline():
            _ask_ends(streams, fenced, last)
        return _ends(fenced, last)


def _ask_ends(streams: list[bytes], fenced: Cursor[Any], last: Cursor[Any]) -> None:
    if streams:
        asked = [rows.Uuids(streams)]
        fenced.execute(SQL["fenced"], asked, prepare=True)
        last.execute(SQL["last"], asked, prepare=True)


def _ends(fenced: Cursor[Any], last: Cursor[Any]) -> tuple[set[bytes], dict[bytes, Last]]:
    closed = {stream for (stream,) in fenced}
    ends = {stream: (version, leaf) for stream, version, leaf in last if stream not in closed}
    return closed, ends


def known_by_key(found: Iterable[tuple[Any, ...]]) -> dict[bytes, Known]:
    """What the statement `known` found, by event key."""
    return {
        key: Known(Receipt(stream, version, position, leaf), mac, digest)
        for key, stream, version, position, leaf, mac, digest in found
    }


def _place(ground: _Ground, events: Sequence[NewEvent], *, repeated: bool) -> Generator[bytes]:
    """Give each event its version, position and leaf, or say why not; the rows to COPY, in parts.

    The outcomes and leaves are added to `ground`. All is done once the head is locked, since the
    server stores the rows before at the same time and takes as long.
    """
    last, leaves, outcomes, placed = ground.last, ground.leaves, ground.outcomes, ground.placed
    position, recorded_at = ground.frontier.size, microseconds(ground.recorded_at)
    waiting = chain(ground.hashed, map(Keyed, events[len(ground.hashed) :]))
    while part := list(islice(waiting, COPY_ROWS)):
        packed: list[bytes] = []
        for keyed in part:
            event = keyed.event
            if told := _told(ground, keyed, repeated=repeated):
                outcomes.append(told)
                continue
            stream = keyed.stream
            version, previous = _next_version(event, last.get(stream))
            header = join_header(
                stream, version, previous, keyed.names, keyed.occurred_at, recorded_at, keyed.key_id
            )
            leaf = sha256(b"\x00" + header + keyed.digest).digest()
            position += 1
            last[stream] = (version, leaf)
            leaves.append(leaf)
            receipt = Receipt(event.stream, version, position, leaf)
            outcomes.append(Stored(receipt))
            placed[keyed.key] = (receipt, event.content_mac)
            packed.append(rows.pack_row(keyed, position, version, recorded_at, leaf))
        if packed:
            yield b"".join(packed)


def _told(ground: _Ground, keyed: Keyed, *, repeated: bool) -> Outcome | None:
    """The answer to an event that is there already, or whose stream takes no more."""
    if keyed.key in ground.known:
        return _again(ground.known[keyed.key], keyed, repeated=repeated)
    if keyed.key in ground.placed:
        receipt, content_mac = ground.placed[keyed.key]
        return Known(receipt, content_mac, keyed.digest).against(keyed.event.content_mac)
    return Fenced(keyed.event.stream) if keyed.stream in ground.fenced else None


def _again(known: Known, keyed: Keyed, *, repeated: bool) -> Outcome:
    if repeated and known.digest == keyed.digest:
        return Stored(known.receipt)
    return known.against(keyed.event.content_mac)


def _next_version(event: NewEvent, last: Last | None) -> Last:
    """The version that follows, and the leaf that stands before it."""
    expected = event.expected_version
    if last is None:
        # The library's recorder interface starts some streams at 0; customer streams start at 1.
        if expected is not None and expected not in {0, -1}:
            raise WrongVersion(event.stream, expected, None)
        return (0 if expected == -1 else FIRST_VERSION), NO_LEAF
    if expected is not None and expected != last[0]:
        raise WrongVersion(event.stream, expected, last[0])
    return last[0] + 1, last[1]


def _write(connection: Connection[Any], ground: _Ground, parts: Generator[bytes]) -> None:
    """Insert what is placed, move the head, tell the readers and commit."""
    first = next(parts, None)
    if first is None:
        connection.execute(b"COMMIT")
        return
    edge = ground.frontier
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(rows.START + first)
        connection.pgconn.flush()  # psycopg would let it lie; the server is to begin now
        for part in parts:
            copy.write(part)
            connection.pgconn.flush()
        edge.extend(ground.leaves)  # while the server stores the last rows
        copy.write(rows.END)
    with connection.pipeline():
        moved = (edge.size, edge.packed(), ground.recorded_at)
        connection.execute(SQL["move_head"], moved, prepare=True)
        connection.execute(b"COMMIT")


def _one_event(keyed: Keyed) -> tuple[Any, ...]:
    """The parameters of `append_one`."""
    event = keyed.event
    return (
        event.stream,
        UUID(bytes=keyed.key),
        event.expected_version,
        keyed.names,
        keyed.key_id,
        event.occurred_at,
        keyed.occurred_at,
        event.sent_at,
        event.source,
        event.event_id,
        event.type,
        event.schema,
        event.key_id,
        keyed.digest,
        event.content_mac,
        event.body,
    )


@contextmanager
def _cursors(connection: Connection[Any], number: int) -> Generator[list[Cursor[Any]]]:
    """Cursors that give plain tuples out of binary answers."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(connection.cursor(row_factory=tuple_row, binary=True))
            for _ in range(number)
        ]


def _one(cursor: Cursor[Any]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The ledger has no head row: run the migrations.")
    return row
