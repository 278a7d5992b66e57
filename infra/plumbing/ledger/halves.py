"""The hidden folder that an export is written into before it is whole: `.<name>.half-<random>`.

Whoever writes one holds a lock on it, which ends with the process however it ends. So the next
export to the same place knows which of them nobody writes any more, and takes those away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_RANDOM = 8
"""How many letters `mkdtemp` puts behind a prefix."""


class HalfRefused(Exception):
    """No folder can be made there; the words say why and the cure."""


@contextmanager
def half_made(folder: Path) -> Generator[Path]:
    """A new folder beside `folder`, its owner's alone; gone afterwards unless it was renamed.

    Raises:
        HalfRefused: it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    except OSError as error:
        raise HalfRefused(
            f"The folder {folder} cannot be made: {error.strerror}. Export somewhere else."
        ) from error
    handle = -1
    try:
        handle = os.open(half, os.O_RDONLY)
        flock(handle, LOCK_EX)
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def clear_halves(folder: Path) -> list[Path]:
    """Take away what killed exports to `folder` left beside it; what of it could not be."""
    prefix = _prefix(folder)
    if not folder.parent.is_dir():
        return []
    found = [
        each
        for each in folder.parent.iterdir()
        if each.name.startswith(prefix) and len(each.name) == len(prefix) + _RANDOM
    ]
    return [each for each in found if each.is_dir() and not each.is_symlink() and not _clear(each)]


def _clear(half: Path) -> bool:
    """Whether nothing of `half` is left over: it is gone, or somebody is writing it."""
    try:
        handle = os.open(half, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        flock(handle, LOCK_EX | LOCK_NB)
        shutil.rmtree(half, ignore_errors=True)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return not half.exists()


def _prefix(folder: Path) -> str:
    return f".{folder.name}.half-"
