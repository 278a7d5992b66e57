"""A ledger over a fresh database, events to put in it, and a wire that can be cut."""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from events.times import parse_time
from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.signing import Places, Signer
from infra.plumbing.postgres.facts import SIGNER
from infra.plumbing.postgres.pool import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres


class MakeEvent(Protocol):
    """Makes an event; what is not given is new or the same for all."""

    def __call__(
        self,
        event_id: str | None = None,
        *,
        stream: UUID | None = None,
        text: str = "hello",
        time: str = "2026-01-01T00:00:00Z",
        expected_version: int | None = None,
    ) -> NewEvent: ...


@pytest.fixture
def ledger(conninfo: str) -> Iterator[Ledger]:
    with Ledger.open(conninfo) as opened:
        yield opened


@pytest.fixture
def make_event() -> MakeEvent:
    def make(
        event_id: str | None = None,
        *,
        stream: UUID | None = None,
        text: str = "hello",
        time: str = "2026-01-01T00:00:00Z",
        expected_version: int | None = None,
    ) -> NewEvent:
        return NewEvent(
            stream=stream or uuid4(),
            source="test",
            event_id=event_id or uuid4().hex,
            type="note.taken",
            schema="1-0-0",
            occurred_at=parse_time(time),
            body=orjson.dumps({"data": {"text": text}}),
            content_mac=sha256(text.encode()).digest(),
            expected_version=expected_version,
        )

    return make


class Wire:
    """A proxy between a client and PostgreSQL's socket that can lose an answer or fall silent."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")
        self._path = Path(self._folder.name) / ".s.PGSQL.5432"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._closed = Event()
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.lose_next_commit = Event()
        self.lost = Event()
        self.silent = Event()
        self.cut = Event()
        """While it is set nobody gets through."""
        self.cut_when_lost = False

    @property
    def folder(self) -> str:
        return self._folder.name

    def close(self) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while not self._closed.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client, _ = self._listener.accept()
            thread = Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._server)
            while not self._closed.is_set() and not self.cut.is_set():
                ready = select.select([client, server], [], [], 0.05)[0]
                if client in ready:
                    server.sendall(self._some(client))
                if server in ready:
                    answer = self._some(server)
                    committed = b"COMMIT\x00" in answer or b"stored" in answer
                    if committed and self.lose_next_commit.is_set():
                        self.lose_next_commit.clear()
                        if self.cut_when_lost:
                            self.cut.set()
                        self.lost.set()
                        return
                    if not self.silent.is_set():
                        client.sendall(answer)

    @staticmethod
    def _some(sender: socket.socket) -> bytes:
        data = sender.recv(65_536)
        if not data:
            raise ConnectionResetError
        return data


@pytest.fixture
def wire(conninfo: str) -> Iterator[Wire]:
    parts = conninfo_to_dict(conninfo)
    opened = Wire(f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}")
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def wired_conninfo(conninfo: str, wire: Wire) -> str:
    """The same database, reached over the wire."""
    return make_conninfo(conninfo, host=wire.folder, port=5432)


NOW = parse_time("2026-01-05T12:00:00Z")


class Open(Protocol):
    """Starts the signer anew, as its own database user."""

    def __call__(self) -> Signer: ...


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        tmp_path / "secrets" / "key", tmp_path / "signer" / "remembered", tmp_path / "published"
    )


@pytest.fixture
def open_signer(postgres_server: EmbeddedPostgres, conninfo: str, places: Places) -> Iterator[Open]:
    ours = make_conninfo(postgres_server.conninfo_of(SIGNER), dbname=address(conninfo).dbname)
    with psycopg.connect(ours, autocommit=True) as connection:
        yield lambda: Signer(connection, places, lambda: NOW)


@pytest.fixture
def owner(owner_conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(owner_conninfo, autocommit=True) as connection:
        yield connection


def grow(ledger: Ledger, make_event: MakeEvent, events: int) -> None:
    """So many events of a new customer."""
    stream = uuid4()
    ledger.append([make_event(stream=stream) for _ in range(events)])


ROLLED_BACK = """
    DELETE FROM ledger.rows WHERE position > 4;
    DELETE FROM ledger.streams WHERE number NOT IN (SELECT stream_number FROM ledger.rows);
    UPDATE ledger.head SET size = 4, frontier = (SELECT frontier FROM saved),
        streams = (SELECT count(*) FROM ledger.streams)
"""


@pytest.fixture
def signed_then_rolled_back(
    open_signer: Open, ledger: Ledger, make_event: MakeEvent, intruder: psycopg.Connection[Any]
) -> None:
    """Four events were there when the backup was made, nine when the last checkpoint was signed."""
    grow(ledger, make_event, 4)
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    grow(ledger, make_event, 5)
    open_signer().sign()
    intruder.execute(ROLLED_BACK)


@pytest.fixture
def restarted(conninfo: str) -> Iterator[Ledger]:
    """The ledger of a program started after that; the one that was running refuses to append."""
    with Ledger.open(conninfo, connections=1) as opened:
        yield opened
