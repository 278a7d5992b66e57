"""Which living PostgreSQL processes work in a data folder, and how they are ended.

A killed program leaves its server behind, and a killed server leaves its workers behind for a
moment. Both must be gone before a new server opens the files. A process counts as ours only when
two facts agree: its working directory is the data folder, and what it executes is called
`postgres` or `initdb`. A pid file alone proves nothing, since pids are reused.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from infra.plumbing.errors import ServerNotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAMS = frozenset({"postgres", "initdb"})
_STEP_SECONDS = 0.02
PATIENCE: Sequence[tuple[signal.Signals | None, float]] = (
    (None, 0.5),  # the workers of a killed server leave by themselves
    (signal.SIGINT, 15.0),
    (signal.SIGQUIT, 10.0),
)


def servers_in(data: Path) -> list[int]:
    """Return the pids of the living PostgreSQL processes whose working directory is `data`."""
    if not data.exists():
        return []
    if sys.platform == "linux":
        return _by_proc(data)
    return _by_lsof(data)


def end_orphans(data: Path) -> int:
    """End every PostgreSQL process that still works in `data` and wait for it; return how many.

    Raises:
        ServerNotStarted: one would not go.
    """
    found = servers_in(data)
    for how, seconds in PATIENCE:
        if _gone_within(data, seconds, how):
            return len(found)
    left = ", ".join(str(pid) for pid in servers_in(data))
    raise ServerNotStarted(
        f"An earlier PostgreSQL server (process {left}) still works in {data} and does not stop. "
        "Stop it by hand, then start again."
    )


def _gone_within(data: Path, seconds: float, how: signal.Signals | None) -> bool:
    """Signal those that are there and wait for them to be gone."""
    if how is not None:
        for pid in servers_in(data):
            with suppress(ProcessLookupError):
                os.kill(pid, how)
    until = time.monotonic() + seconds
    while servers_in(data):
        if time.monotonic() > until:
            return False
        time.sleep(_STEP_SECONDS)
    return True


def _by_proc(data: Path) -> list[int]:
    """Read /proc; processes of others that cannot be read are not ours."""
    wanted = data.stat()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            place = (entry / "cwd").stat()
            if (place.st_dev, place.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            executed = str((entry / "exe").readlink()).removesuffix(" (deleted)")
            if Path(executed).name in PROGRAMS:
                found.append(int(entry.name))
    return found


def _by_lsof(data: Path) -> list[int]:
    """Ask `lsof`, which is part of macOS, where there is no /proc."""
    words = [part for program in sorted(PROGRAMS) for part in ("-c", program)]
    listing = subprocess.run(
        ["/usr/sbin/lsof", "-a", *words, "-d", "cwd", "-F", "pn"],
        capture_output=True,
        text=True,
        check=False,
    )
    return read_lsof(listing.stdout, data.resolve())


def read_lsof(listing: str, data: Path) -> list[int]:
    """Return the pids whose working directory is `data` in the field output (-F pn) of lsof."""
    found: list[int] = []
    pid = 0
    for line in listing.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("n") and Path(line[1:]) == data:
            found.append(pid)
    return found
