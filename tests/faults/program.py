"""`rapport up` as a victim: started in an instant, killed in any part, all it ever said kept.

A killed program is started again at once, while what it left behind (its services, its database
server) may still be leaving: that is how a supervisor outside would do it.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from infra.plumbing.access import create_key
from infra.plumbing.postgres.facts import DATABASE, read_facts
from infra.plumbing.postgres.supervisor import CONNECTION_FILE, HOME
from tests.journeys.conftest import RAPPORT, Platform

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
    from pathlib import Path

READY_SECONDS = 90.0
FAREWELL_SECONDS = 60.0
_STEP_SECONDS = 0.02


@dataclass
class Program(Platform):
    """A platform that writes what it says into files instead of a pipe nobody may close."""

    logs: list[Path] = field(default_factory=list["Path"])
    """What each start of the program said, on both outputs."""
    own_server: str = ""
    """How a superuser connects, where the program works on a server that it does not run."""

    def launch(self, *options: str) -> None:
        """Start it and wait for nothing."""
        self.logs.append(self.data_dir.parent / f"program-{len(self.logs) + 1}.log")
        with self.logs[-1].open("wb") as log:
            self.process = subprocess.Popen(
                [*RAPPORT, "up", "--port", "0", "--data-dir", str(self.data_dir), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **self.settings},
            )

    def start(self, *options: str) -> None:
        """Start it and wait for the line `ready URL`."""
        self.launch(*options)
        assert self.process is not None
        until = time.monotonic() + READY_SECONDS
        while not (ready := [each for each in self.said() if each.startswith("ready ")]):
            assert self.process.poll() is None, self.said()[-10:]
            assert time.monotonic() < until, self.said()[-10:]
            time.sleep(_STEP_SECONDS)
        self.url = ready[0].split()[1]

    def said(self) -> list[str]:
        """What the last start of it said so far, whole lines alone."""
        return self.logs[-1].read_text(errors="replace").split("\n")[:-1]

    def kill(self) -> None:
        """kill -9 the program; its services and its server find out by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Ask it to stop in good order; the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(FAREWELL_SECONDS)
        self.process = None
        return code

    def itself(self) -> psutil.Process | None:
        """The running program, None if it was killed."""
        return psutil.Process(self.process.pid) if self.process is not None else None

    def child(self, name: str) -> psutil.Process | None:
        """Its running service called `name`, or its database server for `postgres`."""
        for process in self._children():
            with suppress(psutil.Error):  # it may end while it is looked at
                words = process.cmdline()
                if name in words or (name == "postgres" and process.name() == name):
                    return process
        return None

    def workers_of_the_server(self) -> list[psutil.Process]:
        """The server's processes that work for a connection, oldest first."""
        server = self.child("postgres")
        found: list[psutil.Process] = []
        for process in self._children(server.pid) if server is not None else []:
            with suppress(psutil.Error):
                if "[local]" in " ".join(process.cmdline()):
                    found.append(process)
        return sorted(found, key=lambda each: each.pid)

    def superuser(self) -> str:
        """How a superuser connects to the running database."""
        if self.own_server:
            return self.own_server
        facts = read_facts(self.data_dir / HOME / CONNECTION_FILE)
        assert facts is not None
        return facts.superuser_conninfo(DATABASE)

    def database(self) -> psycopg.Connection[Any]:
        """A connection to the running database that is let in whatever the roles may do."""
        return psycopg.connect(self.superuser(), autocommit=True)

    def keys(self, sources: Iterable[str]) -> dict[str, str]:
        """An emitter's key for each source, made in the database itself."""
        with self.database() as connection:
            return {source: create_key(connection, "emitter", source).key for source in sources}

    def key_of(self, role: str) -> str:
        """A key of a role, made in the database itself."""
        with self.database() as connection:
            return create_key(connection, role).key

    def _children(self, pid: int | None = None) -> list[psutil.Process]:
        if pid is None:
            pid = self.process.pid if self.process is not None else 0
        with suppress(psutil.Error):
            return psutil.Process(pid).children()
        return []


def strike(process: psutil.Process | None, how: signal.Signals) -> bool:
    """Send a signal; whether there was somebody to receive it."""
    if process is None:
        return False
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return False
    return True
