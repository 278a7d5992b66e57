"""The real program in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx2
import psycopg
import pytest

from infra.plumbing.postgres.facts import VAULT, read_facts
from infra.plumbing.postgres.supervisor import CONNECTION_FILE, HOME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.plumbing.postgres.facts import Facts

READY_SECONDS = 60
SETTLED_SECONDS = 120
RAPPORT = (sys.executable, "-m", "rapport")


@dataclass
class Platform:
    """`rapport up` on one data folder; it can be killed and started again."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[str] | None = None
    url: str = ""
    lines: list[str] = field(default_factory=list[str])
    reader: Thread | None = None

    def start(self, *options: str) -> None:
        """Start it and wait for the line `ready URL`."""
        self.process = subprocess.Popen(
            [*RAPPORT, "up", "--port", "0", "--data-dir", str(self.data_dir), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self.settings},
        )
        lines = self.process.stdout
        assert lines is not None
        self.lines = []
        self.reader = Thread(target=lambda: self.lines.extend(lines), daemon=True)
        self.reader.start()
        until = time.monotonic() + READY_SECONDS
        while not (ready := [line for line in list(self.lines) if line.startswith("ready ")]):
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < until, self.lines
            time.sleep(0.02)
        self.url = ready[0].split()[1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        if self.reader is not None:
            self.reader.join(60)  # children of a killed program speak on the same pipe to their end
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return code

    def rapport(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the program on the same data folder."""
        return subprocess.run(
            [*RAPPORT, *words, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def key(self, role: str, source: str | None = None) -> str:
        """A new key, made as a user makes it."""
        words = ["keys", "create", "--role", role, "--json"]
        made = self.rapport(*words, *(["--source", source] if source else []))
        assert made.returncode == 0, made.stderr
        return json.loads(made.stdout)["key"]

    def client(self, role: str, source: str | None = None) -> httpx2.Client:
        """An HTTP client with a new key."""
        headers = {"Authorization": f"Bearer {self.key(role, source)}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30)

    def facts(self) -> Facts:
        """How to reach the running embedded database."""
        facts = read_facts(self.data_dir / HOME / CONNECTION_FILE)
        assert facts is not None
        return facts

    def database(self) -> psycopg.Connection[Any]:
        """A connection to it, as the services that meet customers by name."""
        return psycopg.connect(self.facts().conninfo(VAULT), autocommit=True)

    def kill_database(self) -> None:
        """kill -9 the embedded server, as a crash would."""
        pid_file = next(self.data_dir.rglob("postmaster.pid"))
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def wait_until_folded(self) -> int:
        """Until every read model stands at the ledger's last position; answers it."""
        until = time.monotonic() + SETTLED_SECONDS
        with self.database() as connection:
            while True:
                [(size,)] = connection.execute("SELECT size FROM ledger.head")
                behind = connection.execute(
                    "SELECT count(*) FILTER (WHERE position < %s), count(*) FROM read.checkpoints",
                    [size],
                ).fetchone()
                assert behind is not None
                if size and behind[0] == 0 and behind[1] > 0:
                    return size
                assert time.monotonic() < until, (size, behind)
                time.sleep(0.05)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform not started yet; stopped at the end if it still runs."""
    made = Platform(tmp_path / "data")
    try:
        yield made
    finally:
        if made.process is not None:
            made.stop()
