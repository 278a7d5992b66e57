"""A file of JSON lines outside the database, by which a database restored from a backup is told.

A line is on the disk when `add` returns, so it is written before the database says the same. Lines
are only added. A last one that a power cut tore off, or left as zero bytes, is passed over: what it
tells was never said to be done. The next `add` cuts it off, so a torn line elsewhere is damage.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from infra.plumbing.errors import HouseError
from infra.plumbing.postgres.folder import make_lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import BinaryIO

_MODE: Final = 0o600
_LINE_END: Final = b"\n"
Read = TypeVar("Read")


class LinesUnusable(HouseError):
    """The file cannot be read or written."""


class LineFile:
    """One such file; several programs may add to it at once."""

    def __init__(self, path: Path) -> None:
        """It need not be there yet."""
        self.path = path

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Add `lines`; they are on the disk when this returns.

        Raises:
            LinesUnusable: they are not.
        """
        added = b"".join(orjson.dumps(line) + _LINE_END for line in lines)
        if not added:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
            with os.fdopen(handle, "rb+") as file:
                fcntl.flock(handle, fcntl.LOCK_EX)  # an unended line is nobody's who still writes
                new = file.seek(0, os.SEEK_END) == 0
                file.write(_mended(file) + added)
                file.flush()
                os.fsync(file.fileno())
            if new:
                make_lasting(self.path.parent)
        except OSError as error:
            raise self._unusable("written", error) from error

    def read(
        self, understand: Callable[[Any], Read], damaged: Callable[[int], HouseError]
    ) -> list[Read]:
        """What `understand` makes of each line, in the order in which they were added.

        Raises:
            HouseError: what `damaged` makes of the number of a line that cannot be understood.
            LinesUnusable: this user may not read the file.
        """
        found: list[Read] = []
        whole, _ = _parted(self._content())
        for number, line in enumerate(whole.split(_LINE_END), start=1):
            if not line:
                continue
            try:
                found.append(understand(orjson.loads(line)))
            except (ValueError, KeyError, TypeError):
                raise damaged(number) from None
        return found

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._unusable("read", error) from error

    def _unusable(self, how: str, error: OSError) -> LinesUnusable:
        return LinesUnusable(
            f"{self.path} cannot be {how}: {error.strerror}. Give the program's user the file and "
            "its folder, and see that the disk has room."
        )


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """What was written whole, and the rest that a power cut left of what was being added."""
    written = content.rstrip(b"\0")
    last = written[written.rfind(_LINE_END) + 1 :]
    torn = last.startswith(b"{") and not last.endswith(b"}")
    end = len(written) - len(last) * torn
    return content[:end], content[end:]


def _mended(file: BinaryIO) -> bytes:
    """Cut off what a power cut left, and answer what must stand before the next line."""
    end = file.seek(0, os.SEEK_END)
    if not end or os.pread(file.fileno(), 1, end - 1) == _LINE_END:
        return b""
    file.seek(0)
    whole, rest = _parted(file.read())
    if rest:
        file.truncate(len(whole))
    return b"" if not whole or whole.endswith(_LINE_END) else _LINE_END
