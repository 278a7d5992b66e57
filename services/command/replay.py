"""What waits in quarantine, tried again by the rules of intake; listed without its content.

What is valid now is recorded once, however often it is tried. What is still refused stays, with the
reason. An event that was merely ahead of its time is tried by itself when its time has come.
Nothing is put into quarantine from here: an event whose row an erasure removed meanwhile is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg.rows import class_row, tuple_row

from events.errors import FieldError
from infra.plumbing.away import AWAY
from infra.plumbing.ledger.answers import Conflict, Duplicate, Stored
from infra.plumbing.queries import Queries
from infra.plumbing.vault import erasure
from infra.plumbing.vault.master import KeyGone
from infra.plumbing.vault.opening import as_received, sealed_values
from services.command.answers import REUSED
from services.command.intake import Accepted, Rejected, believed_until, judge
from services.command.quarantine import AHEAD_ERROR, TIME_AHEAD, Quarantined
from services.command.strict_json import write_json

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime
    from threading import Event
    from uuid import UUID

    from events.catalog import Catalog
    from infra.plumbing.clock import Clock
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.vault import Vault
    from services.command.record import Answer, Recorder

REUSED_ID: Final = "event-id-reused"
INVALID: Final = "invalid-event"
KEY_GONE: Final = "key-gone"
FAULT: Final = "fault"
GONE_ERROR: Final = FieldError(
    "/data",
    "The event names somebody whose key is destroyed or was never kept; it cannot be opened.",
    "If it matters, have its sender send it without that person, under an id of its own.",
)
FAULT_ERROR: Final = FieldError(
    "", "Recording it failed by a fault of ours.", "See the log, and try again after an upgrade."
)
POLL_SECONDS: Final = 5.0
TOGETHER: Final = 100
"""Events tried for one request."""
_SQL: Final = Queries.beside("services.command", "quarantine.sql")
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in quarantine, without its content and without whom it is about."""

    id: int
    reason: str
    source: str
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying: `position` in the ledger, or the `reason` why it still waits.

    Neither: it cannot be told just now, as its customer is being erased; nothing changed.
    """

    position: int | None = None
    reason: str | None = None
    errors: tuple[FieldError, ...] = ()


Outcome = tuple[Waiting, Tried]


class Again:
    """Sends the body of a quarantined event through the way in once more."""

    def __init__(self, recorder: Recorder, vault: Vault, catalog: Catalog) -> None:
        """Record by `recorder` what `vault` can open and `catalog` knows."""
        self._recorder = recorder
        self._vault = vault
        self._catalog = catalog

    def tried(self, number: int, stream: UUID, body: bytes) -> Tried:
        """Record the event of this number, if the rules allow it now.

        Raises:
            One of AWAY: not now; the same again tells.
        """
        try:
            return self._sent(stream, body)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one event's fault must not stop the others
            _LOG.error("quarantine_replay_failed", number=number, error=type(error).__name__)
            return Tried(reason=FAULT, errors=(FAULT_ERROR,))

    def _sent(self, stream: UUID, body: bytes) -> Tried:
        keys = self._vault.keys(sealed["key"] for _, sealed in sealed_values(body))
        try:
            event = as_received(body, stream, keys)
        except KeyGone:
            return Tried(reason=KEY_GONE, errors=(GONE_ERROR,))
        item = judge(event, write_json(event), self._catalog)
        if not isinstance(item, Accepted):
            return Tried(reason=INVALID, errors=item.errors)
        [answer] = self._recorder.record([item], keep=False)
        return _tried(answer)


def _tried(answer: Answer) -> Tried:
    match answer:
        case Stored(receipt=receipt) | Duplicate(receipt=receipt):
            return Tried(receipt.position)
        case Quarantined(reason=reason, errors=errors):
            return Tried(reason=reason, errors=errors)
        case Conflict():
            return Tried(reason=REUSED_ID, errors=(REUSED,))
        case Rejected(problem="unavailable", errors=errors):
            return Tried(errors=errors)
        case Rejected(errors=errors):
            return Tried(reason=INVALID, errors=errors)


class Replay:
    """Lists what waits, and tries it again: one, all, or by itself what was ahead of its time."""

    def __init__(
        self, pool: Pool, again: Again, clock: Clock, not_now: tuple[type[Exception], ...]
    ) -> None:
        """`not_now`: what trying raises when the same is to be tried later."""
        self._pool = pool
        self._again = again
        self._clock = clock
        self._not_now = not_now

    def waiting(self, after: int, limit: int, reason: str | None = None) -> list[Waiting]:
        """The next events that wait, in the order in which they came."""
        asked = {"after": after, "limit": limit, "reason": reason}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Waiting), binary=True)
            return cursor.execute(_SQL["list"], asked).fetchall()

    def one(self, number: int) -> Outcome | None:
        """Try one event; None if there is none, or if it was removed meanwhile.

        Raises:
            One of `not_now`.
        """
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row, binary=True)
            row = cursor.execute(_SQL["one"], {"id": number}).fetchone()
        return None if row is None else self._try(*row)

    def many(self, after: int, limit: int = TOGETHER) -> tuple[list[Outcome], int | None]:
        """Try the next events that may be valid now, in the order in which they came.

        Left out are those still ahead of their time, and those about people not to be recorded.
        Answers also the id to go on after; None at the end.

        Raises:
            One of `not_now`: what was settled by then is.
        """
        ids = self._ids("again", after, limit)
        return list(self._each(ids)), ids[-1] if len(ids) == limit else None

    def due(self) -> int:
        """Try everything that was merely ahead of its time and is not any more.

        Returns how many were recorded.

        Raises:
            One of `not_now`: what was settled by then is.
        """
        recorded, after = 0, 0
        while ids := self._ids("due", after, TOGETHER):
            tried = [tried for _, tried in self._each(ids)]
            recorded += sum(each.position is not None for each in tried)
            after = ids[-1]
        if recorded:
            _LOG.info("quarantine_replayed", count=recorded)
        return recorded

    def run(self, stop: Event) -> None:
        """Do what is due as its time comes, until `stop` is set, whatever the database does."""
        while not stop.is_set():
            try:
                self.due()
            except self._not_now as error:
                _LOG.warning("quarantine_waits", error=type(error).__name__)
            stop.wait(POLL_SECONDS)

    def _ids(self, query: str, after: int, limit: int) -> list[int]:
        asked = {"after": after, "limit": limit, "until": believed_until(self._clock())}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row, binary=True)
            return [number for (number,) in cursor.execute(_SQL[query], asked)]

    def _each(self, ids: Sequence[int]) -> Generator[Outcome]:
        for number in ids:
            outcome = self.one(number)
            if outcome is not None:
                yield outcome

    def _try(self, *row: Any) -> Outcome | None:
        *told, stream, person, body = row
        event = Waiting(*told)
        if event.occurred_at > believed_until(self._clock()):
            reason = TIME_AHEAD if person is None else event.reason
            tried = Tried(reason=reason, errors=(AHEAD_ERROR,))
        else:
            tried = self._again.tried(event.id, stream, bytes(body))
        there = self._settled(event, person, tried)
        return (event, tried) if there else None

    def _settled(self, event: Waiting, person: UUID | None, tried: Tried) -> bool:
        """Remove what is recorded, or note why it stays; False if it is there no more."""
        with self._pool.connection() as connection:
            if tried.position is None:
                asked = {"id": event.id, "reason": tried.reason or event.reason}
                return connection.execute(_SQL["stays"], asked).rowcount == 1
            if person is None:
                connection.execute(_SQL["recorded"], {"id": event.id})
            else:
                erasure.settle(connection, person, [event.id])
            return True
