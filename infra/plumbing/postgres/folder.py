"""One program at a time on a data folder, held by an flock that the kernel frees on any death.

The lock file says who holds it, so the second program can be told. A holder is either `serving`
(a program that stays) or brief (a command that starts the server, does its work and leaves); a
brief holder is waited for, a serving one is not.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from infra.plumbing.errors import DataFolderInUse, DataFolderUnwritable

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME = "rapport.lock"
BRIEF_WAIT_SECONDS = 30.0
_STEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a data folder: the process, what it is, and whether it stays."""

    pid: int
    what: str
    serving: bool


def prepare(folder: Path) -> None:
    """Create the data folder (mode 0700) if need be and see that files can be made in it.

    Raises:
        DataFolderUnwritable: this user cannot; the sentence says why and the cure.
    """
    probe = folder / f".write-test-{os.getpid()}"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            make_lasting(folder.parent)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> DataFolderUnwritable:
    """Word an operating system's refusal about the data folder."""
    reason = error.strerror or "unknown reason"
    return DataFolderUnwritable(
        f"The data folder {folder} cannot be used: {reason}. "
        "Start the program as the folder's owner, or choose another folder with RAPPORT_DATA_DIR."
    )


def make_lasting(folder: Path) -> None:
    """Write the folder's list of names to the disk, so that a power cut keeps a new name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def holder(folder: Path) -> Holder | None:
    """Say who holds the data folder now; None if nobody does."""
    try:
        handle = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    else:
        return None
    finally:
        os.close(handle)


class FolderLock:
    """The right to use a data folder, from `claim` until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def claim(self, what: str, *, serving: bool) -> None:
        """Take the folder for `what`, a few words such as "rapport up".

        Raises:
            DataFolderInUse: another program holds it, and stays or has not left in 30 seconds.
            DataFolderUnwritable: the lock file cannot be made.
        """
        try:
            handle = os.open(
                self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600
            )
        except OSError as error:
            raise unwritable(self._folder, error) from error
        try:
            self._wait(handle)
            me = {"pid": os.getpid(), "what": what, "serving": serving}
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(me).encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Let go; does nothing when not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _wait(self, handle: int) -> None:
        """Return with the lock, waiting only for brief holders."""
        until = time.monotonic() + BRIEF_WAIT_SECONDS
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            other = _read(handle)
            if other.serving or time.monotonic() > until:
                raise DataFolderInUse(
                    f"The data folder {self._folder} is already in use by process {other.pid} "
                    f"({other.what}). Stop it first, or give this one another folder with "
                    "RAPPORT_DATA_DIR."
                )
            time.sleep(_STEP_SECONDS)


def _read(handle: int) -> Holder:
    """Read who holds the lock. Freshly taken it is still empty: brief, so the asker looks again."""
    with suppress(ValueError):
        found: Any = json.loads(os.pread(handle, 4096, 0))
        if isinstance(found, dict):
            item = cast("dict[str, Any]", found)
            return Holder(
                pid=int(item.get("pid", 0)),
                what=str(item.get("what", "another program")),
                serving=bool(item.get("serving", True)),
            )
    return Holder(pid=0, what="a program that is just starting", serving=False)
