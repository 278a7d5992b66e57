"""L6: the same batches against UmaDB 0.7.8, a Rust event store with a server of its own.

It is no dependency of ours: `make bench` installs its wheel from PyPI into .tools/bench, and where
that is not possible the row says so. Its append is conditional when it refuses to be the second to
write after what was read; ours refuses duplicates and follows versions, so that is the rival.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.bench.appending import Side, contest
from tests.bench.place import ROOT
from tests.bench.row import OURS, PER_SECOND, Contest, Demand, NotHere, Row
from tests.bench.stores import Ours, ours
from tests.bench.workload import TYPE, batches

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from tests.bench.place import Place
    from tests.bench.row import Task
    from tests.bench.workload import Made

FOLDER = ROOT / ".tools" / "bench"
CONDITIONAL = "UmaDB, conditional"
UNCONDITIONAL = "UmaDB, unconditional"
BATCH = 1_000
START_SECONDS = 20.0
_STEP_SECONDS = 0.05
_SERVER = "from umadb.umadb_server_cli import main; main()"


def library() -> Any:
    """UmaDB's client package.

    Raises:
        NotHere: it is not installed.
    """
    sys.path.append(str(FOLDER))
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        return importlib.import_module("umadb")
    except ImportError:
        raise NotHere(
            "UmaDB is not installed. With the network, `make bench` installs it; by hand: "
            "$(infra/setup/uv.sh) pip install --python .venv/bin/python --target .tools/bench "
            "umadb==0.7.8"
        ) from None
    finally:
        sys.path.remove(str(FOLDER))
        signal.signal(signal.SIGINT, interrupted)  # it takes Ctrl-C for itself when imported


@contextmanager
def server(place: Place, name: str, package: Any) -> Generator[Any]:
    """A fresh UmaDB with its own defaults on the same disk; a client of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = place.folder / f"{name}.log"
    with log.open("wb") as words:
        running = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SERVER,
                "--listen",
                address,
                "--db-path",
                str(place.folder / name),
            ],
            env={**os.environ, "PYTHONPATH": str(FOLDER)},
            stdout=words,
            stderr=words,
        )
    try:
        yield _client(running, package, f"http://{address}")
    finally:
        running.kill()
        running.wait()


def _client(running: subprocess.Popen[bytes], package: Any, url: str) -> Any:
    """A client, once the server answers."""
    until = time.monotonic() + START_SECONDS
    while running.poll() is None and time.monotonic() < until:
        try:
            client = package.Client(url)
            client.head()
        except package.TransportError:
            time.sleep(_STEP_SECONDS)
        else:
            return client
    raise NotHere("UmaDB's server did not start on this machine.")


class Uma:
    """One UmaDB. An event bears its customer as a tag."""

    def __init__(self, client: Any, package: Any) -> None:
        """Append through `client`."""
        self._client = client
        self._package = package
        self._head: int | None = None

    def form(self, events: Sequence[Made]) -> list[tuple[list[Any], Any]]:
        """Batches of its own events, each with the query that its condition needs."""
        return [
            ([self._event(event) for event in part], self._about({event.stream for event in part}))
            for part in batches(events, BATCH)
        ]

    def append(self, parts: Sequence[tuple[list[Any], Any]]) -> None:
        """One append for each part, whatever is there."""
        for events, _ in parts:
            self._client.append(events)

    def append_if_unchanged(self, parts: Sequence[tuple[list[Any], Any]]) -> None:
        """One append for each part, refused if somebody else wrote about the same customers."""
        for events, query in parts:
            condition = self._package.AppendCondition(query, self._head)
            self._head = self._client.append(events, condition)

    def _event(self, event: Made) -> Any:
        return self._package.Event(TYPE, event.body, [_tag(event.stream)])

    def _about(self, streams: set[UUID]) -> Any:
        package = self._package
        return package.Query([package.QueryItem(tags=[_tag(stream)]) for stream in streams])


def _tag(stream: UUID) -> str:
    return f"customer:{stream}"


@contextmanager
def against_umadb(place: Place, task: Task) -> Generator[Contest]:
    """Appends of 1,000 events by one caller."""
    package = library()
    with (
        Ours.open(place) as mine,
        server(place, "conditional", package) as first,
        server(place, "unconditional", package) as second,
    ):
        conditional, unconditional = Uma(first, package), Uma(second, package)
        sides = {
            OURS: Side(lambda events: batches(ours(events), BATCH), mine.append),
            CONDITIONAL: Side(conditional.form, conditional.append_if_unchanged),
            UNCONDITIONAL: Side(unconditional.form, unconditional.append),
        }
        yield contest(sides, timed=task.share(BATCH))


ROWS = (
    Row(
        "L6",
        "append, 1,000 a batch",
        PER_SECOND,
        (Demand(CONDITIONAL, 1.0), Demand(UNCONDITIONAL, 1.0, stretch=True)),
        against_umadb,
    ),
)
