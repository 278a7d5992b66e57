"""Who was erased, suppressed and released, in a file outside the database.

A database that is restored from a backup has forgotten it; by this file it is done again. A line
holds the customer's UUID and keyed hashes of their names (as on the list), nothing that can be read
without the master key:

    {"type": "erase", "request": ..., "customer": ..., "hashes": ["<hex>", ...], "at": ...}

A line is on the disk before its step is committed, so a line may stand for a step that came to
nothing and was done again. Reading takes that into account: doing a line twice is doing it once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from events.times import format_time
from infra.plumbing.errors import HouseError
from infra.plumbing.postgres.folder import make_lasting
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

NAME: Final = "erasures.ndjson"
_MODE: Final = 0o600


class JournalDamaged(HouseError):
    """A line of the file cannot be read."""


@dataclass
class Wanted:
    """What the lines come to: who must be erased or suppressed, and which hashes are on the list.

    `listed` has the hashes of one line together: they are one person's. `forgotten` are those of
    the erased, of whom nothing that was set aside may wait.
    """

    erased: set[UUID] = field(default_factory=set[UUID])
    suppressed: set[UUID] = field(default_factory=set[UUID])
    listed: list[frozenset[bytes]] = field(default_factory=list[frozenset[bytes]])
    released: set[bytes] = field(default_factory=set[bytes])
    forgotten: set[bytes] = field(default_factory=set[bytes])

    def add(self, kind: Kind, customer: UUID | None, hashes: frozenset[bytes]) -> None:
        """Take one more line into account; they come in the order in which they were written."""
        of = set[UUID]() if customer is None else {customer}
        if kind is Kind.RELEASE:
            self.suppressed -= of
            self.listed = [left for each in self.listed if (left := each - hashes)]
            self.released |= hashes
            self.forgotten -= hashes
            return
        if kind is Kind.ERASE:
            self.erased |= of
            self.forgotten |= hashes
            self.suppressed -= of
        else:
            self.suppressed |= of
        self.released -= hashes
        if hashes:
            self.listed.append(hashes)


class Journal:
    """The file, one for each data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(
        self,
        kind: Kind,
        request: UUID | None,
        customer: UUID | None,
        hashes: Iterable[bytes],
        at: datetime,
    ) -> None:
        """Add a line; it is on the disk when this returns."""
        line = {
            "type": kind,
            "request": request and str(request),
            "customer": customer and str(customer),
            "hashes": sorted(each.hex() for each in hashes),
            "at": format_time(at),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
        with os.fdopen(handle, "rb+") as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            file.write(b"\n" * torn + orjson.dumps(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if not end:
            make_lasting(self._path.parent)

    def wanted(self) -> Wanted:
        """What all lines come to.

        Raises:
            JournalDamaged: a line is no such line. One that a power cut tore off is passed over:
                its step was not committed.
        """
        wanted = Wanted()
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                wanted.add(*_read(line))
            except (ValueError, KeyError, TypeError):
                if not line.startswith(b'{"type":') or line.endswith(b"}"):
                    raise JournalDamaged(
                        f"Line {number} of {self._path} cannot be read. Restore the file from a "
                        "copy; without it a restored database does not know who was erased."
                    ) from None
        return wanted


def _read(line: bytes) -> tuple[Kind, UUID | None, frozenset[bytes]]:
    found: dict[str, Any] = orjson.loads(line)
    customer = found["customer"]
    hashes = frozenset(bytes.fromhex(each) for each in found["hashes"])
    return Kind(found["type"]), customer and UUID(customer), hashes
