"""One append: under the head lock, in one transaction, two round trips.

First trip: lock the head, look up repeats, fences and the last event of every stream touched.
Then versions, leaves and the tree's new edge are computed here. Second trip: insert, move the
head, notify once, commit. Positions are dense and in commit order because the head row is locked
from the first trip to the commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from infra.plumbing.ledger.answers import Fenced, Known, Receipt, Stored
from infra.plumbing.ledger.format import (
    NO_LEAF,
    Frontier,
    Header,
    event_key,
    leaf_hash,
    pack_header,
)
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome

CHANNEL = "rapport_ledger"
"""NOTIFY channel; one empty message for each transaction that appended."""
FIRST_VERSION = 1
SQL = Queries.beside("infra.plumbing.ledger", "ledger.sql")
_NOTIFY = b"NOTIFY rapport_ledger"


class WrongVersion(Exception):
    """The stream's last version is not the expected one; nothing was written."""

    def __init__(self, stream: UUID, expected: int, last: int | None) -> None:
        """Say which stream, what was expected and what is there."""
        super().__init__(
            f"Stream {stream} was expected at version {expected} and is at "
            f"{'no version' if last is None else last}. Read it again and decide again."
        )


@dataclass(slots=True)
class Keyed:
    """A new event with what can be computed before the lock is taken."""

    event: NewEvent
    key: UUID
    digest: bytes

    @classmethod
    def of(cls, event: NewEvent) -> Keyed:
        """Hash what depends on the event alone."""
        return cls(event, event_key(event.source, event.event_id), sha256(event.body).digest())


@dataclass(slots=True)
class _Ground:
    """What the first trip found, moved along as events are placed."""

    frontier: Frontier
    recorded_at: datetime
    known: dict[UUID, Known]
    fenced: set[UUID]
    last: dict[UUID, tuple[int, bytes]]
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})


_COLUMNS = (
    "position",
    "version",
    "occurred_at",
    "sent_at",
    "stream",
    "event_key",
    "source",
    "event_id",
    "type",
    "schema",
    "key_id",
    "body_digest",
    "leaf",
    "content_mac",
    "body",
)


def append(
    connection: Connection[Any], events: Sequence[Keyed], *, repeated: bool = False
) -> list[Outcome]:
    """Append `events` in order and answer one outcome each, all in one transaction.

    `repeated`: the same call was made before and its commit may have gone through unanswered. An
    event that stands there with the very bytes given is then our own and answers `Stored`.

    Raises:
        WrongVersion: a stream is not at the expected version; nothing was written.
        psycopg.Error: what PostgreSQL or the connection says; before the commit nothing was
            written, at the commit the outcome is unknown.
    """
    with connection.pipeline(), connection.transaction():
        ground = _look(connection, events)
        outcomes = [_place(ground, keyed, repeated=repeated) for keyed in events]
        if ground.columns["position"]:
            _write(connection, ground)
    return outcomes


def _look(connection: Connection[Any], events: Sequence[Keyed]) -> _Ground:
    """The first round trip. Each statement sees what is committed once the lock is held."""
    streams = list({keyed.event.stream for keyed in events})
    with (
        _cursor(connection) as head,
        _cursor(connection) as known,
        _cursor(connection) as fenced,
        _cursor(connection) as last,
    ):
        head.execute(SQL["lock_head"], prepare=True)
        known.execute(SQL["known"], {"keys": [keyed.key for keyed in events]}, prepare=True)
        fenced.execute(SQL["fenced"], {"streams": streams}, prepare=True)
        last.execute(SQL["last"], {"streams": streams}, prepare=True)
        size, frontier, recorded_at = _one(head)
        return _Ground(
            frontier=Frontier(size, bytes(frontier)),
            recorded_at=recorded_at,
            known=known_by_key(known),
            fenced={stream for (stream,) in fenced},
            last={stream: (version, bytes(leaf)) for stream, version, leaf in last},
        )


def _place(ground: _Ground, keyed: Keyed, *, repeated: bool) -> Outcome:
    """Give one event its version, position and leaf, or say why not."""
    event = keyed.event
    known = ground.known.get(keyed.key)
    if known is not None:
        return _again(known, keyed, repeated=repeated)
    if event.stream in ground.fenced:
        return Fenced(event.stream)
    last = ground.last.get(event.stream)
    version, previous = _next_version(event, last)
    header = Header(
        stream=event.stream,
        version=version,
        previous_leaf=previous,
        source=event.source,
        event_id=event.event_id,
        type=event.type,
        schema=event.schema,
        occurred_at=event.occurred_at,
        recorded_at=ground.recorded_at,
        key_id=event.key_id,
    )
    leaf = leaf_hash(pack_header(header), keyed.digest)
    ground.frontier.push(leaf)
    receipt = Receipt(event.stream, version, ground.frontier.size, leaf)
    ground.last[event.stream] = (version, leaf)
    ground.known[keyed.key] = Known(receipt, event.content_mac, keyed.digest)
    _add_row(ground.columns, keyed, receipt)
    return Stored(receipt)


def _again(known: Known, keyed: Keyed, *, repeated: bool) -> Outcome:
    if repeated and known.digest == keyed.digest:
        return Stored(known.receipt)
    return known.against(keyed.event.content_mac)


def known_by_key(rows: Iterable[tuple[Any, ...]]) -> dict[UUID, Known]:
    """What the statement `known` found, by event key."""
    return {
        key: Known(Receipt(stream, version, position, bytes(leaf)), mac, bytes(digest))
        for key, stream, version, position, leaf, mac, digest in rows
    }


def _next_version(event: NewEvent, last: tuple[int, bytes] | None) -> tuple[int, bytes]:
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


def _add_row(columns: dict[str, list[Any]], keyed: Keyed, receipt: Receipt) -> None:
    event = keyed.event
    row = (
        receipt.position,
        receipt.version,
        event.occurred_at,
        event.sent_at,
        event.stream,
        keyed.key,
        event.source,
        event.event_id,
        event.type,
        event.schema,
        event.key_id,
        keyed.digest,
        receipt.leaf,
        event.content_mac,
        event.body,
    )
    for name, value in zip(_COLUMNS, row, strict=True):
        columns[name].append(value)


def _write(connection: Connection[Any], ground: _Ground) -> None:
    """The second round trip, which the transaction's COMMIT joins."""
    with _cursor(connection) as cursor:
        cursor.execute(
            SQL["insert"], {**ground.columns, "recorded_at": ground.recorded_at}, prepare=True
        )
        cursor.execute(
            SQL["move_head"],
            {
                "size": ground.frontier.size,
                "frontier": ground.frontier.packed(),
                "recorded_at": ground.recorded_at,
            },
            prepare=True,
        )
        cursor.execute(_NOTIFY)


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    return connection.cursor(row_factory=tuple_row, binary=True)


def _one(cursor: Cursor[Any]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The ledger has no head row: run the migrations.")
    return row
