"""Programs that hold a data folder, folders that outlive them, and connections by role."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.plumbing.ledger.answers import NewEvent, Stored
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.pool import address
from infra.plumbing.postgres.processes import end_orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres

PROGRAM = Path(__file__).with_name("program.py")
AT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Program:
    """A running `program.py`."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self) -> str:
        """Its next line, without the line end; empty once it has ended."""
        out = self.process.stdout
        return out.readline().strip() if out else ""

    def ready(self) -> tuple[int, int]:
        """Wait until it is; how many rows it found written, and its server's pid."""
        said = self.says()
        word, rows, server = said.split(maxsplit=2)
        assert word == "ready", said
        return int(rows), int(server)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def leave(self) -> None:
        """Ask it to leave and wait until it has."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture
def data_dir(quick_place: Path) -> Generator[Path]:
    """A data folder that does not exist yet; what is left running in it is ended afterwards."""
    base = Path(tempfile.mkdtemp(prefix="rapport-data-", dir=quick_place))
    try:
        yield base / "data"
    finally:
        for name in ("data", "data.new"):
            end_orphans(base / "data" / "postgres" / name)
        shutil.rmtree(base)


@pytest.fixture
def start(data_dir: Path) -> Generator[Callable[..., Program]]:
    """Start programs on the data folder; those still running are ended afterwards."""
    with ExitStack() as running:

        def begin(*words: str, folder: Path = data_dir) -> Program:
            return running.enter_context(_program(folder, words))

        yield begin


@contextmanager
def _program(folder: Path, words: tuple[str, ...]) -> Generator[Program]:
    with subprocess.Popen(
        [sys.executable, PROGRAM, folder, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROGRAM.parents[3],
        env={**os.environ, "PYTHONWARNINGS": "error"},
    ) as process:
        program = Program(process)
        try:
            yield program
        finally:
            program.leave()


@pytest.fixture
def as_role(
    postgres_server: EmbeddedPostgres, conninfo: str
) -> Generator[Callable[[str], psycopg.Connection[Any]]]:
    """Connections (autocommit) to the fresh database by role; closed at the end."""
    opened: list[psycopg.Connection[Any]] = []

    def connect(role: str) -> psycopg.Connection[Any]:
        to = make_conninfo(postgres_server.conninfo_of(role), dbname=address(conninfo).dbname)
        opened.append(psycopg.connect(to, autocommit=True))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def recorded(conninfo: str) -> NewEvent:
    """One event that stands in the ledger."""
    event = NewEvent(uuid4(), "shop", "e-1", "note", "1-0-0", AT, b'{"data":{}}', bytes(32))
    with Ledger.open(conninfo, connections=2) as ledger:
        assert isinstance(ledger.append([event])[0], Stored)
    return event
