"""The stores that compete, each behind the same few doors: ours, the library's, and raw COPY.

Every door takes its own form of the events ready-made, so that only storing is timed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from infra.plumbing.ledger import rows
from infra.plumbing.ledger.answers import NewEvent, Stored
from infra.plumbing.ledger.format import Frontier, microseconds
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.placing import Ground, Last, in_parts, rows_of, streams_of
from tests.bench.flushing import FlushingConnection
from tests.bench.workload import SCHEMA, SOURCE, START, TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tests.bench.place import Fresh, Place
    from tests.bench.workload import Made

LIBRARY = "eventsourcing"
COPY = "raw COPY"
LIBRARY_POOL = 5
"""The library's own default."""
_COPY = b"COPY ledger.rows (" + rows.COLUMNS + b") FROM STDIN (FORMAT binary)"


class Ours:
    """Our ledger, through the door that the command service uses."""

    def __init__(self, ledger: Ledger, database: Fresh) -> None:
        """Append to `ledger`, which stands in `database`."""
        self.ledger = ledger
        self.database = database

    @classmethod
    @contextmanager
    def open(cls, place: Place) -> Generator[Ours]:
        """A fresh ledger."""
        with (
            place.database(migrated=True) as database,
            Ledger.open(database.conninfo) as ledger,
        ):
            yield cls(ledger, database)

    def append(self, parts: Sequence[Sequence[NewEvent]]) -> None:
        """One append, and so one durable commit, for each part."""
        for part in parts:
            self._stored(self.ledger.append(part))

    def append_together(self, callers: Sequence[Sequence[NewEvent]]) -> None:
        """Each caller is a thread that appends its events one by one."""
        _in_threads(self.append, callers)

    def _stored(self, outcomes: Sequence[object]) -> None:
        """An append that refused would be quick, and worth nothing."""
        if not all(isinstance(outcome, Stored) for outcome in outcomes):
            raise AssertionError("The ledger did not store an event of the bench.")


class Library:
    """The eventsourcing library's own PostgreSQL recorder, with its own settings."""

    def __init__(self, recorder: PostgresApplicationRecorder, database: Fresh) -> None:
        """Append through `recorder`, whose table stands in `database`."""
        self.recorder = recorder
        self.database = database

    @classmethod
    @contextmanager
    def open(cls, place: Place) -> Generator[Library]:
        """A fresh table of stored events."""
        with (
            place.database() as database,
            library_recorder(database.owner_conninfo) as recorder,
        ):
            yield cls(recorder, database)

    def append(self, parts: Sequence[Sequence[StoredEvent]]) -> None:
        """One append, and so one durable commit, for each part."""
        for part in parts:
            self.recorder.insert_events(part)

    def append_together(self, callers: Sequence[Sequence[StoredEvent]]) -> None:
        """Each caller is a thread that appends its events one by one."""
        _in_threads(self.append, callers)


def _in_threads(
    append: Callable[[list[list[Any]]], None], callers: Sequence[Sequence[Any]]
) -> None:
    """Let each caller append its own events singly, all at once."""
    with ThreadPoolExecutor(len(callers)) as threads:
        calls = [threads.submit(append, [[event] for event in events]) for events in callers]
    for call in calls:
        call.result()


@contextmanager
def library_recorder(conninfo: str) -> Generator[PostgresApplicationRecorder]:
    """The library's recorder over the database at `conninfo`, its table made."""
    known = conninfo_to_dict(conninfo)
    datastore = PostgresDatastore(
        dbname=str(known["dbname"]),
        host=str(known["host"]),
        port=str(known["port"]),
        user=str(known["user"]),
        password=str(known["password"]),
        pool_size=LIBRARY_POOL,
        max_overflow=10,
    )
    datastore.pool.connection_class = FlushingConnection
    try:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        yield recorder
    finally:
        datastore.close()


class RawCopy:
    """What is below every ledger: COPY of finished rows into the same table and indexes.

    Positions, versions, leaves and digests are made up and the rows are packed beforehand, so this
    is the server's own cost of storing them durably.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Write over `connection`, which commits each COPY by itself."""
        self._connection = connection
        self._position = 0
        self._last: dict[bytes, Last] = {}

    @classmethod
    @contextmanager
    def open(cls, place: Place) -> Generator[RawCopy]:
        """A fresh table of ours, with no writer in front of it."""
        with (
            place.database(migrated=True) as database,
            psycopg.connect(database.conninfo, autocommit=True) as connection,
        ):
            yield cls(connection)

    def pack(self, events: Sequence[Made]) -> bytes:
        """One COPY as bytes, in our own row layout; `events` follow those packed before."""
        new = ours(events)
        ground = Ground(
            new, Frontier(), microseconds(START), len(self._last), self._last, set(), {}, {}
        )
        ground.frontier.size = self._position  # its hashes are not asked for
        parts = rows_of(ground, in_parts(new, streams_of(new)))
        self._position += len(events)
        return b"".join((*parts, rows.END))

    def append(self, parts: Sequence[bytes]) -> None:
        """One COPY, and so one durable commit, for each part."""
        for part in parts:
            with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.write(part)


def ours(events: Sequence[Made]) -> list[NewEvent]:
    """The events as our ledger takes them."""
    return [
        NewEvent(
            stream=event.stream,
            source=SOURCE,
            event_id=event.event_id,
            type=TYPE,
            schema=SCHEMA,
            occurred_at=event.occurred_at,
            body=event.body,
            content_mac=sha256(event.body).digest(),
            key_id=f"{event.stream}/1",
        )
        for event in events
    ]


def theirs(events: Sequence[Made]) -> list[StoredEvent]:
    """The events as the library takes them."""
    return [StoredEvent(event.stream, event.version, TYPE, event.body) for event in events]
