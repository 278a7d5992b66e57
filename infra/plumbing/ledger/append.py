"""The ledger's one writer in this process: appends under the head lock, remembering what it wrote.

One event is one call of `ledger.append_one`, a single round trip. Several take two turns on the
wire: lock and look; a COPY, whose last row moves the head, and COMMIT. Positions are dense and in
commit order because the head row is locked from the first turn to the commit.

The writer remembers the head and the last event of each stream it wrote. They count only while the
locked head is the remembered one, so several processes stay correct and one stays fast. Many events
are inserted without asking whether they are there already; where the unique key says that one is,
the batch is done again with that question asked first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from infra.plumbing.ledger import rows
from infra.plumbing.ledger.answers import Fenced, Known, Receipt, Stored
from infra.plumbing.ledger.errors import LedgerWentBack, WrongVersion
from infra.plumbing.ledger.exchange import Exchange
from infra.plumbing.ledger.format import Frontier, encode_text, microseconds
from infra.plumbing.ledger.placing import (
    Ground,
    Hashed,
    Last,
    again,
    first_key_of,
    in_parts,
    rows_of,
    streams_of,
)
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome

CHANNEL = "rapport_ledger"
"""NOTIFY channel; one empty message for each transaction that appended."""
FEW = 64
"""Up to so many events are looked up before they are inserted: cheaper than one failed COPY."""
STREAMS_REMEMBERED = 200_000
"""About 75 MB; beyond, all are forgotten at once."""
SQL = Queries.beside("infra.plumbing.ledger", "ledger.sql")
_STORE = b"COPY ledger.rows (" + rows.COLUMNS + b") FROM STDIN (FORMAT binary); COMMIT"
_ONCE = "rows_source_event_id"
_END = struct.Struct(">16siq32s")
_KNOWN = struct.Struct(">16s16sqq32s32s?32s")


@dataclass(slots=True)
class _Memory:
    """What this process wrote last, by the stream's bytes: true while the tree is this one.

    And while no fence is newer. A tree of the same size may be another one, after a restore.
    """

    tree: Frontier | None = None
    newest_fence: int = -1
    last: dict[bytes, Last] = field(default_factory=dict[bytes, Last])


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
                return [self._append_one(connection, events[0], repeated=repeated)]
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
                return self._append_one(connection, event, repeated=False)
            finally:
                self.written, self._memory = written, _Memory()

    def _append_one(
        self, connection: Connection[Any], event: NewEvent, *, repeated: bool
    ) -> Outcome:
        hashed = Hashed([event], [event.stream.bytes])
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            asked = (*_one_event(event, hashed), self.written)
            cursor.execute(SQL["append_one"], asked, prepare=True)
            answer, stream, version, position, leaf, mac, digest = _one(cursor)
        match answer:
            case "stored":
                receipt = Receipt(stream, version, position, leaf)
                self._remember(receipt)
                self.written = position
                return Stored(receipt)
            case "known":
                known = Known(Receipt(stream, version, position, leaf), mac, digest)
                return again(known, event, hashed.digests[0], repeated=repeated)
            case "fenced":
                return Fenced(stream)
            case "went back":
                raise LedgerWentBack(position, self.written)
            case _:
                raise WrongVersion(stream, event.expected_version or 0, version)

    def _remember(self, receipt: Receipt) -> None:
        """One event followed what is remembered: go on from it."""
        tree = self._memory.tree
        if tree is not None and tree.size == receipt.position - 1:
            tree.push(receipt.leaf)
            stream = receipt.stream.bytes
            if last := self._memory.last.get(stream):
                self._memory.last[stream] = last[0], receipt.version, receipt.leaf, last[3]

    def _refuse_an_older(self, size: int) -> None:
        if size < self.written:
            raise LedgerWentBack(size, self.written)

    def _append(
        self, connection: Connection[Any], events: Sequence[NewEvent], *, ask: bool, repeated: bool
    ) -> list[Outcome]:
        memory, self._memory = self._memory, _Memory()  # forgotten unless all goes well
        exchange = Exchange(connection)
        try:
            ground, hashed = _look(exchange, memory, events, ask=ask)
            self._refuse_an_older(ground.frontier.size)
            parts = rows_of(ground, hashed, repeated=repeated)
            exchange.copy(_STORE, chain(parts, _end(ground)))
        except Exception:
            exchange.settle()
            if not connection.closed:
                connection.rollback()
            raise
        except BaseException:  # whoever interrupts waits for nothing: no lock, no frozen server
            connection.close()
            raise
        memory.tree, self.written = ground.frontier, ground.frontier.size
        if len(memory.last) <= STREAMS_REMEMBERED:
            self._memory = memory
        return ground.outcomes


class _Head:
    """What `ledger.take_head` answered."""

    def __init__(self, exchange: Exchange) -> None:
        """Wait for the answer to what was sent."""
        result = exchange.answers()[-1]
        values = (result.get_value(0, at) for at in range(8))
        size, frontier, recorded_at, fence, streams, *lists = values
        self.frontier = Frontier(_number(size), _bytes(frontier))
        self.recorded_at = _number(recorded_at)
        self.newest_fence = _number(fence)
        self.streams = _number(streams)
        fenced, ends, known = map(_bytes, lists)
        self.fenced = {fenced[at : at + 16] for at in range(0, len(fenced), 16)}
        found = list(_END.iter_unpack(ends))
        self.ends = {
            stream: (number, version, leaf, first_key_of(stream))
            for stream, number, version, leaf in found
            if version >= 0
        }
        self.numbered = {stream: number for stream, number, version, _ in found if version < 0}
        self.known = {
            key: Known(Receipt(UUID(bytes=stream), *place), mac if has_mac else None, digest)
            for key, stream, *place, digest, has_mac, mac in _KNOWN.iter_unpack(known)
        }


def _look(
    exchange: Exchange, memory: _Memory, events: Sequence[NewEvent], *, ask: bool
) -> tuple[Ground, Iterator[Hashed]]:
    """The first turn: lock the head and learn what the events stand on.

    Each statement in `take_head` sees what is committed once the lock is held. The first events
    are hashed while the server looks, unless all their keys are to be looked up.
    """
    streams = streams_of(events)
    parts = in_parts(events, streams)
    asked = list(parts) if ask else []
    keys = [key for part in asked for key in part.keys]
    strange = set(streams).difference(memory.last)
    exchange.send(b"BEGIN ISOLATION LEVEL READ COMMITTED; " + _take(strange, keys))
    asked = asked or [next(parts)]
    head = _Head(exchange)
    edge = memory.tree and memory.tree.packed()
    if (edge, memory.newest_fence) != (head.frontier.packed(), head.newest_fence):
        memory.last.clear()
        memory.newest_fence = head.newest_fence
        if remembered := set(streams) - strange:  # and stale by now
            exchange.send(_take(remembered | strange, keys))
            head = _Head(exchange)
    memory.last.update(head.ends)
    now, streams_known = head.recorded_at, head.streams
    seen = (memory.last, head.fenced, head.known, head.numbered)
    ground = Ground(events, head.frontier, now, streams_known, *seen)
    return ground, chain(asked, parts)


def _take(streams: Iterable[bytes], keys: Iterable[bytes]) -> bytes:
    asked = (rows.uuid_list(streams), rows.uuid_list(keys))
    return b"SELECT * FROM ledger.take_head(%b, %b)" % asked


def _end(ground: Ground) -> Iterator[bytes]:
    """What stands behind the rows, once they are made: the row that moves the head, if it moves."""
    edge = ground.frontier
    edge.extend(ground.leaves)
    where = edge.size, ground.recorded_at, edge.packed(), ground.streams + 1, ground.new_streams
    yield (rows.head_row(*where) if ground.leaves else b"") + rows.END


def _one_event(event: NewEvent, hashed: Hashed) -> tuple[Any, ...]:
    """The parameters of `append_one`."""
    [kind] = hashed.kinds
    return (
        event.stream,
        UUID(bytes=hashed.keys[0]),
        event.expected_version,
        kind.source + hashed.ids[0] + kind.type,
        encode_text(event.key_id),
        event.occurred_at,
        microseconds(event.occurred_at),
        event.sent_at,
        event.source,
        event.event_id,
        event.type,
        event.schema,
        event.key_id,
        hashed.digests[0],
        event.content_mac,
        event.body,
    )


def _one(cursor: Cursor[Any]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The ledger has no head row: run the migrations.")
    return row


def _number(value: bytes | None) -> int:
    if value is None:
        raise LookupError("The ledger has no head row: run the migrations.")
    return int(value)


def _bytes(value: bytes | None) -> bytes:
    """A bytea out of its text (two characters, then hexadecimal digits), or nothing."""
    return bytes.fromhex(value[2:].decode()) if value else b""
