"""The ledger's door: append events, read them in order, read one customer's history.

Everything else about the ledger (its library, its SQL, its bytes) stays in this room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson
from eventsourcing.application import Application
from eventsourcing.persistence import InterfaceError, OperationalError

from events.facts import Fact
from infra.plumbing.ledger.answers import Known, Receipt
from infra.plumbing.ledger.append import SQL
from infra.plumbing.ledger.errors import LedgerBusy, LedgerGap
from infra.plumbing.ledger.format import event_key
from infra.plumbing.ledger.persistence import environment
from infra.plumbing.ledger.recorder import APPLICATION_SOURCE, LedgerRecorder
from infra.plumbing.ledger.scan import scan
from infra.plumbing.ledger.uuids import Uuids

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self
    from uuid import UUID

    from infra.plumbing.ledger.answers import NewEvent, Outcome
    from infra.plumbing.ledger.scan import Entry

CONNECTIONS = 10


class Ledger:
    """An append-only log of customers' events over PostgreSQL."""

    def __init__(self, application: Application[UUID]) -> None:
        """Use the recorder of an eventsourcing `application` made with our persistence module."""
        self.application = application
        self.recorder = cast("LedgerRecorder", application.recorder)

    @classmethod
    def open(cls, conninfo: str, *, connections: int = CONNECTIONS) -> Ledger:
        """Open the ledger of the migrated database at `conninfo`."""
        return cls(Application[Any](env=environment(conninfo, connections=connections)))

    def close(self) -> None:
        """Give back every connection."""
        self.application.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, events: Sequence[NewEvent]) -> list[Outcome]:
        """Store `events` in order, all in one transaction; one outcome each.

        Raises:
            WrongVersion: a stream is not at the version an event expects; nothing was written.
            OutcomeUnknown: sent and never answered; the same events sent again tell.
            LedgerBusy: not reachable or not lockable in time; nothing was written.
        """
        return self.recorder.append(events)

    def known(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """Which events, by source and id, are stored already. A look without a lock.

        Raises:
            LedgerBusy: not reachable in time.
        """
        by_key = {event_key(*key): key for key in keys}
        try:
            rows = self._rows(SQL["known"], [Uuids(list(by_key))])
        except (OperationalError, InterfaceError) as error:
            raise LedgerBusy("The ledger could not be reached.") from error
        return {
            by_key[key]: Known(Receipt(stream, version, position, leaf), mac, digest, tuple(what))
            for key, stream, version, position, leaf, mac, digest, *what in rows
        }

    @property
    def written(self) -> int:
        """The last position this program wrote; 0 before it wrote any."""
        return self.recorder.written

    def size(self) -> int:
        """The last position; 0 while the ledger is empty."""
        return self.recorder.max_notification_id() or 0

    def deployment(self) -> UUID:
        """The id of this deployment, made with its database."""
        [(deployment,)] = self._rows(SQL["deployment"], {})
        return deployment

    def facts_after(self, position: int, limit: int = 1000) -> list[Fact]:
        """The next facts after `position` in order, at most `limit`.

        Raises:
            LedgerGap: the positions are not dense.
        """
        rows = self._rows(SQL["after"], {"position": position, "limit": limit})
        facts: list[Fact] = []
        for row in rows:
            position += 1
            if row[0] != position:
                raise LedgerGap(position - 1, row[0])
            facts.append(_fact(row))
        return facts

    def history(
        self,
        stream: UUID,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        up_to: int | None = None,
    ) -> list[Fact]:
        """One customer's facts in order of arrival.

        `as_of`: only what had happened by then; `known_at`: only what had been recorded by then;
        `up_to`: only up to that position.
        """
        if as_of is None and known_at is None and up_to is None:
            return [_fact(row) for row in self._rows(SQL["history"], (stream,))]
        return self.histories([stream], as_of=as_of, known_at=known_at, up_to=up_to)[stream]

    def scan(self, after: int = 0, up_to: int | None = None) -> Generator[Entry]:
        """The whole log in order after position `after`, in bounded memory (see `scan.Entry`).

        Raises:
            LedgerGap: the positions are not dense.
        """
        with self.recorder.datastore.get_connection() as connection:
            yield from scan(connection, after, up_to)

    def histories(
        self,
        streams: Sequence[UUID],
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        up_to: int | None = None,
    ) -> dict[UUID, list[Fact]]:
        """The same for several customers in one query; an unknown stream has an empty list."""
        window = {
            "streams": list(streams),
            "as_of": as_of,
            "known_at": known_at,
            "up_to": up_to,
        }
        found: dict[UUID, list[Fact]] = {stream: [] for stream in streams}
        for row in self._rows(SQL["histories"], window):
            found[row[1]].append(_fact(row))
        return found

    def _rows(
        self, query: bytes, parameters: dict[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        return self.recorder.rows(query, parameters)


def _fact(row: tuple[Any, ...]) -> Fact:
    """A fact of a row: its columns in the order of the fact's fields, the last one the body."""
    body = row[9]
    bare = body is None or row[3] == APPLICATION_SOURCE
    fields: list[Any] = [*row[:9], {} if bare else orjson.loads(row[9])["data"]]
    return Fact(*fields)
