"""The lines of an export as checked blocks, by helping processes where there are many lines.

A helper imports this and `entries.py` alone, so it is soon ready.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING

from infra.plumbing.ledger.entries import Block, check_lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Future
    from pathlib import Path

CHUNK_BYTES = 1 << 20
MOST_LINE_BYTES = 64 << 20
HELPERS_FROM_BYTES = 32 << 20
"""A smaller export is verified before helping processes have started."""
MOST_HELPERS = 8


@contextmanager
def checked_blocks(path: Path) -> Generator[Iterator[tuple[Block, bytes]]]:
    """The lines of a file as checked blocks with the bytes they were read from, in order."""
    helpers = min(os.cpu_count() or 1, MOST_HELPERS)
    if path.stat().st_size < HELPERS_FROM_BYTES or helpers == 1:
        yield ((check_lines(chunk, first), chunk) for chunk, first in _chunks(path))
        return
    # Not forked: whoever calls may have threads.
    with ProcessPoolExecutor(helpers, mp_context=get_context("spawn")) as pool:
        try:
            yield _helped(pool, path, 2 * helpers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_range(path: Path, start: int, length: int, first: int) -> Block:
    """Check the whole lines that stand in a file from the byte `start` on; for a helper."""
    with path.open("rb") as file:
        file.seek(start)
        return check_lines(file.read(length), first)


def _helped(
    pool: ProcessPoolExecutor, path: Path, most_waiting: int
) -> Iterator[tuple[Block, bytes]]:
    """Helpers read their lines themselves: sending them the bytes would take longer."""
    waiting: deque[tuple[Future[Block], bytes]] = deque()
    start = 0
    for chunk, first in _chunks(path):
        waiting.append((pool.submit(check_range, path, start, len(chunk), first), chunk))
        start += len(chunk)
        if len(waiting) >= most_waiting:
            future, read = waiting.popleft()
            yield future.result(), read
    for future, read in waiting:
        yield future.result(), read


def _chunks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Whole lines, about CHUNK_BYTES of them at a time, and the number of the first."""
    first = 1
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if not chunk.endswith(b"\n"):
                chunk += file.readline(MOST_LINE_BYTES)
            yield chunk, first
            first += chunk.count(b"\n")
