"""L9: an export verified offline, against SHA-256 over the same bytes.

Ours is `rapport verify` as anybody runs it, from starting Python to the verdict, on all cores. The
same bytes are those of `entries.ndjson` (three quarters of them what base64 wraps): SHA-256 over
them in one pass on one core, start not counted, is the floor that the target is held to: every
verifier pays it, for the manifest names that digest.

A second ratio is to SHA-256 of each part: the hashes that the format demands besides (an event's
body, its leaf, a node of the tree), of bytes decoded before. The stand-alone verify.py is shown.
"""

from __future__ import annotations

import subprocess
import sys
import time
from base64 import b64decode
from contextlib import contextmanager
from hashlib import file_digest, sha256
from itertools import islice
from typing import TYPE_CHECKING

import orjson
import psycopg

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.entries import ENTRIES
from infra.plumbing.ledger.export import export_log
from infra.plumbing.ledger.signing import Places, Signer
from tests.bench.place import ROOT
from tests.bench.reading import EVENTS, filled
from tests.bench.row import OURS, PER_SECOND, Contest, Demand, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from tests.bench.place import Place
    from tests.bench.row import Task

HASHING = "SHA-256 of the file"
PARTS = "SHA-256 of each part"
ALONE = "python verify.py"
STAND_ALONE = ROOT / "infra" / "plumbing" / "verify.py"
SAMPLE = 100_000


@contextmanager
def offline(place: Place, task: Task) -> Generator[Contest]:
    """The whole export, from its folder to the verdict."""
    logs = filled(place, task)
    folder = place.folder / f"export-{logs.events}"
    if not folder.exists():
        _export(logs.ours.database.owner_conninfo, folder, place.folder)

    def rate(work: Callable[[Path], object]) -> Callable[[], float]:
        def timed() -> float:
            began = time.perf_counter()
            work(folder)
            return logs.events / (time.perf_counter() - began)

        return timed

    contents = _contents(folder)
    contenders = {
        OURS: rate(lambda export: _run("-m", "rapport", "verify", str(export))),
        HASHING: rate(_hash_file),
        ALONE: rate(lambda export: _run(str(STAND_ALONE), str(export))),
        PARTS: lambda: _hash_parts(contents),
    }
    yield Contest(contenders, size=lambda: logs.events)


def _export(conninfo: str, folder: Path, scratch: Path) -> None:
    """Sign the log and write it to `folder`."""
    places = Places(scratch / "signer.key", scratch / "remembered.json", scratch / "checkpoints")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        Signer(connection, places, system_clock).sign()
        export_log(connection, folder)


def _hash_file(folder: Path) -> None:
    with (folder / ENTRIES).open("rb") as file:
        file_digest(file, "sha256")


def _run(*words: str) -> None:
    """Run Python; a verdict other than PASS ends the bench."""
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)


def _contents(folder: Path) -> list[tuple[bytes, bytes]]:
    """Header and body of the first entries, decoded."""
    with (folder / ENTRIES).open("rb") as file:
        entries = map(orjson.loads, islice(file, SAMPLE))
        return [(b64decode(entry["header"]), b64decode(entry["body"])) for entry in entries]


def _hash_parts(contents: Sequence[tuple[bytes, bytes]]) -> float:
    """The digest of the body, the leaf, and a node of the tree for each event; events a second."""
    began = time.perf_counter()
    node = bytes(32)
    for header, body in contents:
        leaf = sha256(b"\x00" + header + sha256(body).digest()).digest()
        node = sha256(b"\x01" + node + leaf).digest()
    return len(contents) / (time.perf_counter() - began)


ROWS = (
    Row(
        "L9",
        "offline verify",
        PER_SECOND,
        (Demand(HASHING, 0.2), Demand(PARTS, 0.2)),
        offline,
        events=EVENTS,
    ),
)
