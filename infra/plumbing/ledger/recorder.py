"""The eventsourcing library's PostgreSQL application recorder over our ledger.

Set through the library's persistence-module extension point (`PERSISTENCE_MODULE` =
`infra.plumbing.ledger.persistence`). It changes four things: order (a head row, not a table lock),
once (unique source and id), proof (leaves and tree) and where rows stand. What the library's own
Application saves has source `rapport` and the event id `<stream>/<version>`.
"""

from __future__ import annotations

from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresApplicationRecorder

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.answers import Conflict, Duplicate, Fenced, NewEvent, Stored
from infra.plumbing.ledger.append import CHANNEL, SQL, Writer
from infra.plumbing.ledger.errors import LedgerBusy, LedgerGap, OutcomeUnknown, WrongVersion
from infra.plumbing.ledger.group import GroupCommit
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventsourcing.postgres import PostgresDatastore

    from infra.plumbing.ledger.answers import Outcome
    from infra.plumbing.ledger.connection import LedgerConnection

APPLICATION_SOURCE = "rapport"
"""Source of every event that the library's Application saves."""
LIBRARY_SCHEMA = ""
POLL_SECONDS = 1.0
"""A reader looks by itself this often, whatever NOTIFY says (promise P4)."""
ATTEMPTS = 10
PATIENCE_SECONDS = 10.0
"""No attempt begins later than this after the first, however many are left."""
STOPPED_SECONDS = 30.0
"""A COPY that still waits for rows so long after it began was given up by whoever sent it."""
_SQL = Queries.beside("infra.plumbing.ledger", "recorder.sql")


class LedgerRecorder(PostgresApplicationRecorder):
    """Our recorder. `append` is its own door; the rest is the library's interface over it."""

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = "stored_events"
    ) -> None:
        """Work over `datastore`, whose database holds the migrated ledger."""
        super().__init__(datastore, events_table_name=events_table_name)
        self.channel_name = CHANNEL
        self._writer = Writer()
        self._group = GroupCommit(self._append)

    @property
    def written(self) -> int:
        """The last position this program wrote; 0 before it wrote any."""
        return self._writer.written

    def create_table(self) -> None:
        """Check that the migrations made the ledger; nothing is created here.

        Raises:
            ProgrammingError: the database has no ledger.
        """
        with self.datastore.get_connection() as connection:
            if connection.execute(_SQL["exists"]).fetchone() == {"exists": False}:
                raise ProgrammingError("This database has no ledger yet: run the migrations.")

    def append(self, events: Sequence[NewEvent]) -> list[Outcome]:
        """Append in order, all in one transaction, which callers at the same time share.

        A commit whose reply was lost is never blindly repeated: the next attempt takes the head
        lock, so it waits for the lost one's end, and then finds its events by source and id.

        Raises:
            WrongVersion: a stream is not at its expected version; nothing was written.
            FormatError: an event does not fit the ledger's format; nothing was written.
            OutcomeUnknown: an attempt's answer was lost, and the database stayed away so long
                that nobody could look whether the events are stored.
            LedgerBusy: no connection or no lock in time; nothing was written.
        """
        return self._group.append(events) if events else []

    def _append(self, events: Sequence[NewEvent]) -> list[Outcome]:
        last: Exception | None = None
        unanswered = False
        for _ in _attempts():
            begun = False
            try:
                with self.datastore.get_connection() as connection:
                    begun = True
                    return self._writer.append(connection, events, repeated=unanswered)
            except (OperationalError, InterfaceError) as error:
                if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    self._end_stopped()
                    raise _busy(
                        "The ledger's head lock was not free in time.", unanswered=unanswered
                    ) from error
                unanswered = unanswered or begun
                last = error
        raise _busy("The ledger could not be reached.", unanswered=unanswered) from last

    def _end_stopped(self) -> None:
        """End writers of ours that may hold the lock and have sent nothing for long.

        A program that was stopped, or whose host is gone, in the middle of a COPY: none of the
        server's time-outs counts there. Whoever comes next gets the lock.
        """
        self.rows(_SQL["end_stopped"], (STOPPED_SECONDS,))

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """The library's door: events of its aggregates, all or none; answers their positions.

        Raises:
            IntegrityError: a version does not follow the stream's last one.
        """
        if kwargs:
            raise ProgrammingError(f"The ledger takes events alone, not also {sorted(kwargs)}.")
        if not stored_events:
            return []
        try:
            outcomes = self.append([_from_library(event) for event in stored_events])
        except WrongVersion as error:
            raise IntegrityError(str(error)) from error
        except LedgerBusy as error:
            raise OperationalError(str(error)) from error
        return [_position(outcome) for outcome in outcomes]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """One stream's events by version, as the library asks for them."""
        if gt is None and lte is None and limit is None and not desc:
            rows = self.rows(_SQL["stream"], (originator_id,))
        else:
            window = {"stream": originator_id, "gt": gt, "lte": lte, "limit": limit}
            rows = self.rows(_SQL["stream_descending" if desc else "stream_ascending"], window)
        return _to_library(originator_id, rows)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The log in order of position, from `start` to `stop`, at most `limit`.

        Raises:
            LedgerGap: all topics are asked for, and the positions are not dense.
        """
        after = 0 if start is None else start - int(inclusive_of_start)
        window = {"after": after, "stop": stop, "limit": limit, "topics": list(topics) or None}
        found = self.rows(_SQL["log"], window)
        if not topics:
            for expected, (position, *_) in enumerate(found, start=after + 1):
                if position != expected:
                    raise LedgerGap(expected - 1, position)
        return [
            Notification(stream, version, topic, state or b"", position)
            for position, stream, version, topic, state in found
        ]

    def max_notification_id(self) -> int | None:
        """The last position, or None while the ledger is empty."""
        [(size,)] = self.rows(SQL["size"], {})
        return size or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[LedgerRecorder]:
        """A subscription that polls at least every second behind NOTIFY."""
        return LedgerSubscription(recorder=self, gt=gt, topics=topics)

    def rows(
        self, query: bytes, parameters: dict[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Read with `query`, in binary; a lost connection is tried again.

        Raises:
            OperationalError: the database stays out of reach.
        """
        last: Exception | None = None
        for _ in _attempts():
            try:
                return self._fetch(query, parameters)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                last = error
        raise OperationalError("The ledger could not be reached.") from last

    def _fetch(
        self, query: bytes, parameters: dict[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """One statement by itself: no transaction, so nothing to end before the connection goes."""
        pool = self.datastore.pool
        connection = cast("LedgerConnection", pool.getconn())
        try:
            return connection.fetch(query, parameters)
        finally:
            pool.putconn(connection)


class LedgerSubscription(ListenNotifySubscription[LedgerRecorder]):
    """The library's subscription, cured of two ways to freeze.

    It waited without a time-out (an event committed between the first pull and LISTEN, or a
    half-open LISTEN connection, stopped it for ever); this one pulls at least every second, and a
    broken LISTEN connection is opened again.
    """

    def __init__(
        self, recorder: LedgerRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        """Read what follows position `gt`; only `topics`, if given."""
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._listen_thread = Thread(target=self._listen, daemon=True)
        self._listen_thread.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listen_thread.join()

    def _loop_on_pull(self) -> None:
        try:
            self._pull()
            while not self._has_been_stopped:
                self._has_been_notified.wait(POLL_SECONDS)
                self._pull()
        except BaseException as error:  # noqa: BLE001 - handed to the reader's thread by the library
            self._thread_error = self._thread_error or error
            self.stop()

    def _listen(self) -> None:
        while not self._has_been_stopped and not self._thread_error:
            try:
                self._listen_once()
            except psycopg.Error:
                sleep(POLL_SECONDS)  # the pull finds out whether the ledger is there

    def _listen_once(self) -> None:
        """Listen until the end, or the connection's: it is one of our own, none of the pool's."""
        where = cast("dict[str, Any]", self._recorder.datastore.pool.kwargs)
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(_SQL["listen"])
            self._has_been_notified.set()  # something may have come before LISTEN
            while not self._has_been_stopped and not self._thread_error:
                for _ in connection.notifies(timeout=0.1, stop_after=1):
                    self._has_been_notified.set()


def _attempts() -> Iterator[int]:
    """Count attempts from 0, until there were enough of them or too much time has gone by."""
    end = monotonic() + PATIENCE_SECONDS
    for attempt in range(ATTEMPTS):
        if attempt and monotonic() >= end:
            return
        yield attempt


def _busy(why: str, *, unanswered: bool) -> LedgerBusy:
    """`unanswered`: an attempt ended without an answer, and its commit may have gone through."""
    if unanswered:
        return OutcomeUnknown(f"{why} It is not known whether the events were stored.")
    return LedgerBusy(f"{why} Nothing was stored.")


def _from_library(event: StoredEvent) -> NewEvent:
    if not isinstance(event.originator_id, UUID):
        raise ProgrammingError("Streams are named by UUID.")
    return NewEvent(
        stream=event.originator_id,
        source=APPLICATION_SOURCE,
        event_id=f"{event.originator_id}/{event.originator_version}",
        type=event.topic,
        schema=LIBRARY_SCHEMA,
        occurred_at=system_clock(),
        body=event.state,
        content_mac=bytes(32),
        expected_version=event.originator_version - 1,
    )


def _to_library(stream: UUID | str, rows: Sequence[tuple[Any, ...]]) -> list[StoredEvent]:
    """Stored events out of (version, type, body), without the checks of a frozen dataclass.

    They are a tenth of the time that one history takes, and what they check is known here.
    """
    events: list[StoredEvent] = []
    for version, topic, state in rows:
        event = object.__new__(StoredEvent)
        fields = event.__dict__
        fields["originator_id"], fields["originator_version"] = stream, version
        fields["topic"], fields["state"] = topic, state or b""
        events.append(event)
    return events


def _position(outcome: Outcome) -> int:
    match outcome:
        case Stored(receipt):
            return receipt.position
        case Duplicate(receipt) | Conflict(receipt):
            raise IntegrityError(
                f"Version {receipt.version} of stream {receipt.stream} is stored already."
            )
        case Fenced(stream):
            raise IntegrityError(f"Stream {stream} takes no more events.")
