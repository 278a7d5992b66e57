"""How much memory the embedded server may use for its pages.

A sixteenth of the machine's, or of what a container may have; PostgreSQL's own advice is a quarter,
for a server that has the machine to itself. It is taken as it is used. What does not fit is written
and read again in the middle of an append: 18 instead of 11 us an event were measured where a log
had outgrown 256 MB.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LEAST_BYTES, MOST_BYTES = 128 << 20, 1 << 30
SHARE = 16
_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Of the control group that a container is; it says `max` where there is none."""


def page_memory() -> str:
    """The value of `shared_buffers` for this machine."""
    return f"{max(LEAST_BYTES, min(MOST_BYTES, machine_bytes() // SHARE)) >> 20}MB"


def machine_bytes(limit: Path = _LIMIT) -> int:
    """What this machine has, or what `limit` allows if that is less."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        return min(there, int(limit.read_text(encoding="ascii")))
    return there
