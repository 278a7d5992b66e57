"""Who was erased, suppressed and released, in a file outside the database.

A database that is restored from a backup has forgotten it; by this file it is done again. A line
holds the customer's UUID and keyed hashes of their names (as on the list), nothing that can be read
without the master key:

    {"type": "erase", "request": ..., "customer": ..., "hashes": ["<hex>", ...], "at": ...}

A line is on the disk before its step is committed, so a line may stand for a step that came to
nothing and was done again. Reading takes that into account: doing a line twice is doing it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from events.times import format_time
from infra.plumbing.errors import HouseError
from infra.plumbing.line_file import LineFile
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

NAME: Final = "erasures.ndjson"


class JournalDamaged(HouseError):
    """A line of the file cannot be read."""


@dataclass
class Wanted:
    """What the lines come to: who must be erased or suppressed, and which hashes are on the list.

    `listed` has the hashes of one line together: they are one person's. `freed` are customers who
    were released last. `forgotten` are the hashes of the erased, of whom nothing that was set aside
    may wait.
    """

    erased: set[UUID] = field(default_factory=set[UUID])
    suppressed: set[UUID] = field(default_factory=set[UUID])
    freed: set[UUID] = field(default_factory=set[UUID])
    listed: list[frozenset[bytes]] = field(default_factory=list[frozenset[bytes]])
    released: set[bytes] = field(default_factory=set[bytes])
    forgotten: set[bytes] = field(default_factory=set[bytes])

    def add(self, kind: Kind, customer: UUID | None, hashes: frozenset[bytes]) -> None:
        """Take one more line into account; they come in the order in which they were written."""
        of = set[UUID]() if customer is None else {customer}
        if kind is Kind.RELEASE:
            self.suppressed -= of
            self.freed |= of
            self.listed = [left for each in self.listed if (left := each - hashes)]
            self.released |= hashes
            self.forgotten -= hashes
            return
        self.freed -= of
        if kind is Kind.ERASE:
            self.erased |= of
            self.forgotten |= hashes
            self.suppressed -= of
        else:
            self.suppressed |= of
        self.released -= hashes
        if hashes:
            self.listed.append(hashes)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `request`: a database that knows it knows what the line says.

    `mended`: not written by that request, but when the file lacked lines up to it (mending.py).
    """

    kind: Kind
    request: UUID | None
    customer: UUID | None
    hashes: frozenset[bytes]
    at: str
    mended: bool = False

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "type": self.kind,
            "request": self.request and str(self.request),
            "customer": self.customer and str(self.customer),
            "hashes": sorted(each.hex() for each in self.hashes),
            "at": self.at,
            **({"mended": True} if self.mended else {}),
        }

    @classmethod
    def read(cls, found: Any) -> Line:
        """From JSON. Raises ValueError, KeyError or TypeError if it is no such line."""
        request, customer = found["request"], found["customer"]
        return cls(
            Kind(found["type"]),
            request and UUID(request),
            customer and UUID(customer),
            frozenset(bytes.fromhex(each) for each in found["hashes"]),
            str(found["at"]),
            bool(found.get("mended")),
        )


class Journal:
    """The file, one for each data folder."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)

    def note(
        self,
        kind: Kind,
        request: UUID | None,
        customer: UUID | None,
        hashes: Iterable[bytes],
        at: datetime,
    ) -> None:
        """Add a line; it is on the disk when this returns."""
        self.add([Line(kind, request, customer, frozenset(hashes), format_time(at))])

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines; they are on the disk when this returns.

        Raises:
            LinesUnusable: they are not.
        """
        self._file.add(line.written() for line in lines)

    def lines(self) -> list[Line]:
        """All lines, in the order in which they were written.

        Raises:
            JournalDamaged: a line is no such line. One that a power cut tore off is passed over:
                its step was not committed.
            LinesUnusable: this user may not read them.
        """
        return self._file.read(Line.read, self._damaged)

    def wanted(self) -> Wanted:
        """What all lines come to; raises what `lines` does."""
        return come_to(self.lines())

    def _damaged(self, number: int) -> JournalDamaged:
        return JournalDamaged(
            f"Line {number} of {self._file.path} cannot be read. Restore the file from a copy. If "
            "there is none and the database was not restored from a backup, move the file away: "
            "it is written anew from the database."
        )


def come_to(lines: Iterable[Line]) -> Wanted:
    """What `lines` come to, in their order."""
    wanted = Wanted()
    for line in lines:
        wanted.add(line.kind, line.customer, line.hashes)
    return wanted
