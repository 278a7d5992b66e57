"""The ledger's one writer in this process: appends under the head lock, remembering what it wrote.

One event is one call of `ledger.append_one`, a single round trip. Several take three steps: lock
and look, COPY (which the server reads while the next rows are hashed here), move the head and
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
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from infra.plumbing.ledger import rows
from infra.plumbing.ledger.answers import Fenced, Known, Receipt, Stored
from infra.plumbing.ledger.errors import WrongVersion
from infra.plumbing.ledger.format import (
    NO_LEAF,
    Frontier,
    join_header,
    leaf_hash,
    microseconds,
)
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from datetime import datetime

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome
    from infra.plumbing.ledger.keyed import Keyed

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


_NOTHING: Final[tuple[set[UUID], dict[UUID, Last]]] = (set(), {})


@dataclass(slots=True)
class _Memory:
    """What this process wrote last: true while the head has this size and no fence is newer."""

    size: int = -1
    newest_fence: int = -1
    last: dict[UUID, Last] = field(default_factory=dict[UUID, Last])


@dataclass(slots=True)
class _Ground:
    """What an append stands on, moved along as events are placed."""

    frontier: Frontier
    recorded_at: datetime
    recorded_us: int
    last: dict[UUID, Last]
    fenced: set[UUID]
    known: dict[bytes, Known]
    placed: list[tuple[Keyed, Receipt]] = field(default_factory=list[tuple["Keyed", Receipt]])


class Writer:
    """Appends for one process; safe for many threads, which take turns."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._turn = Lock()
        self._memory = _Memory()

    def append(
        self, connection: Connection[Any], events: Sequence[Keyed], *, repeated: bool = False
    ) -> list[Outcome]:
        """Append `events` in order and answer one outcome each, all in one transaction.

        `repeated`: the same call was made before and its commit may have gone through unanswered.
        An event that stands there with the very bytes given is then our own: `Stored`.
        `connection` is in autocommit mode.

        Raises:
            WrongVersion: a stream is not at the expected version; nothing was written.
            psycopg.Error: what PostgreSQL or the connection says; before the commit nothing was
                written, at the commit the outcome is unknown.
        """
        if not events:
            return []
        with self._turn:
            if len(events) == 1:
                return [self._append_one(connection, events[0], repeated=repeated)]
            ask = repeated or len(events) <= FEW
            try:
                return self._append(connection, events, ask=ask, repeated=repeated)
            except psycopg.errors.UniqueViolation as twice:
                if ask or twice.diag.constraint_name != _ONCE:
                    raise
                return self._append(connection, events, ask=True, repeated=repeated)

    def append_within(self, connection: Connection[Any], keyed: Keyed) -> Outcome:
        """Append one event in the transaction that the caller has open: it alone may end it.

        Nothing of it is remembered, as the caller may still roll back.

        Raises:
            ValueError: no transaction is open, so the event would be committed at once.
            psycopg.Error: what PostgreSQL or the connection says.
        """
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise ValueError("Open a transaction first: this append is a part of it.")
        with self._turn:
            try:
                return self._append_one(connection, keyed, repeated=False)
            finally:
                self._memory = _Memory()

    def _append_one(self, connection: Connection[Any], keyed: Keyed, *, repeated: bool) -> Outcome:
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            cursor.execute(SQL["append_one"], _one_event(keyed), prepare=True)
            answer, stream, version, position, leaf, mac, digest = _one(cursor)
        match answer:
            case "stored":
                receipt = Receipt(stream, version, position, leaf)
                self._remember(receipt)
                return Stored(receipt)
            case "known":
                known = Known(Receipt(stream, version, position, leaf), mac, digest)
                return _again(known, keyed, repeated=repeated)
            case "fenced":
                return Fenced(stream)
            case _:
                raise WrongVersion(stream, keyed.event.expected_version or 0, version)

    def _remember(self, receipt: Receipt) -> None:
        """One event followed what is remembered: go on from it."""
        if self._memory.size == receipt.position - 1:
            self._memory.size = receipt.position
            self._memory.last[receipt.stream] = (receipt.version, receipt.leaf)

    def _append(
        self, connection: Connection[Any], events: Sequence[Keyed], *, ask: bool, repeated: bool
    ) -> list[Outcome]:
        memory, self._memory = self._memory, _Memory()  # forgotten unless all goes well
        try:
            ground = _look(connection, memory, events, ask=ask)
            outcomes = [_place(ground, keyed, repeated=repeated) for keyed in events]
            _write(connection, ground)
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise
        memory.size = ground.frontier.size
        if len(memory.last) <= STREAMS_REMEMBERED:
            self._memory = memory
        return outcomes


def _look(
    connection: Connection[Any], memory: _Memory, events: Sequence[Keyed], *, ask: bool
) -> _Ground:
    """The first round trip. Each statement sees what is committed once the lock is held."""
    streams = {keyed.event.stream for keyed in events}
    strange = [stream for stream in streams if stream not in memory.last]
    with connection.pipeline(), _cursors(connection, 5) as (head, fence, fenced, last, known):
        connection.execute(b"BEGIN")
        head.execute(SQL["lock_head"], prepare=True)
        fence.execute(SQL["newest_fence"], prepare=True)
        if strange:
            fenced.execute(SQL["fenced"], [strange], prepare=True)
            last.execute(SQL["last"], [strange], prepare=True)
        if ask:
            keys = [UUID(bytes=keyed.key) for keyed in events]
            known.execute(SQL["known"], [keys], prepare=True)
        size, frontier, recorded_at = _one(head)
        (newest_fence,) = _one(fence)
        there = known_by_key(known) if ask else {}
        found = _ends(fenced, last) if strange else _NOTHING
    if (memory.size, memory.newest_fence) != (size, newest_fence):
        memory.last.clear()
        memory.newest_fence = newest_fence
        if len(strange) < len(streams):
            found = _look_up(connection, list(streams))
    closed, ends = found
    memory.last.update(ends)
    edge = Frontier(size, frontier)
    return _Ground(edge, recorded_at, microseconds(recorded_at), memory.last, closed, there)


def _look_up(
    connection: Connection[Any], streams: list[UUID]
) -> tuple[set[UUID], dict[UUID, Last]]:
    """Which of `streams` are fenced, and where the others end: what was remembered is stale."""
    with connection.pipeline(), _cursors(connection, 2) as (fenced, last):
        fenced.execute(SQL["fenced"], [streams], prepare=True)
        last.execute(SQL["last"], [streams], prepare=True)
        return _ends(fenced, last)


def _ends(fenced: Cursor[Any], last: Cursor[Any]) -> tuple[set[UUID], dict[UUID, Last]]:
    closed = {stream for (stream,) in fenced}
    ends = {stream: (version, leaf) for stream, version, leaf in last if stream not in closed}
    return closed, ends


def known_by_key(rows: Iterable[tuple[Any, ...]]) -> dict[bytes, Known]:
    """What the statement `known` found, by event key."""
    return {
        key.bytes: Known(Receipt(stream, version, position, leaf), mac, digest)
        for key, stream, version, position, leaf, mac, digest in rows
    }


def _place(ground: _Ground, keyed: Keyed, *, repeated: bool) -> Outcome:
    """Give one event its version, position and leaf, or say why not."""
    known = ground.known.get(keyed.key)
    if known is not None:
        return _again(known, keyed, repeated=repeated)
    event = keyed.event
    stream = event.stream
    if stream in ground.fenced:
        return Fenced(stream)
    version, previous = _next_version(event, ground.last.get(stream))
    header = join_header(
        keyed.stream,
        version,
        previous,
        keyed.names,
        keyed.occurred_at,
        ground.recorded_us,
        keyed.key_id,
    )
    leaf = leaf_hash(header, keyed.digest)
    ground.frontier.push(leaf)
    receipt = Receipt(stream, version, ground.frontier.size, leaf)
    ground.last[stream] = (version, leaf)
    ground.known[keyed.key] = Known(receipt, event.content_mac, keyed.digest)
    ground.placed.append((keyed, receipt))
    return Stored(receipt)


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


def _write(connection: Connection[Any], ground: _Ground) -> None:
    """Insert what was placed, move the head, tell the readers and commit."""
    if not ground.placed:
        connection.execute(b"COMMIT")
        return
    _copy(connection, ground)
    edge = ground.frontier
    with connection.pipeline():
        moved = (edge.size, edge.packed(), ground.recorded_at)
        connection.execute(SQL["move_head"], moved, prepare=True)
        connection.execute(b"COMMIT")


def _copy(connection: Connection[Any], ground: _Ground) -> None:
    recorded_us = ground.recorded_us
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(rows.START)
        for start in range(0, len(ground.placed), COPY_ROWS):
            some = ground.placed[start : start + COPY_ROWS]
            copy.write(b"".join(rows.pack_row(keyed, at, recorded_us) for keyed, at in some))
        copy.write(rows.END)


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
