"""What an export tells of older logs: the signed records of those it was restored from. Pure.

`restored.py` writes them and tells their form. A record is true if the roots it tells of are those
of the entries, and the old log's checkpoint that an outsider kept does not say otherwise.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.plumbing.ledger.checkpoint import MOST_DIGITS, Checkpoint
from infra.plumbing.ledger.format import FormatError, Frontier
from infra.plumbing.ledger.merkle import HASH_BYTES
from infra.plumbing.ledger.note import NoteError, VerifierKey, open_note, parse_note

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = rf"(0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})"
_ROOT = r"([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)"
_EDGE = r"((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?)"
_TEXT = re.compile(
    rf"(?P<new>[^\n]+)\nrestored-from 2\nold (?P<old>[^\n]+)\nsigned {_SIZE} {_ROOT}\n"
    rf"(?:edge {_EDGE}\n)?agrees {_SIZE} {_ROOT}\nbegins {_SIZE} {_ROOT}\n"
    r"at [^\n]+\nreason [^\n]+\n"
)


class RecordFalse(ValueError):
    """A record is malformed, not signed, or contradicts itself; the words say which."""


@dataclass(frozen=True, slots=True)
class Record:
    """The log `new` goes on from an old one.

    `parts` are checkpoints of the old log that follow from its tree's edge, the signed one first.
    """

    new: str
    parts: tuple[Checkpoint, ...]
    agrees: Checkpoint
    begins: Checkpoint

    @property
    def signed(self) -> Checkpoint:
        """The old log's last checkpoint."""
        return self.parts[0]

    @property
    def told(self) -> list[Checkpoint]:
        """The sizes and roots that the entries have if this is true."""
        within = [part for part in self.parts if part.size <= self.agrees.size]
        return [self.agrees, self.begins, *within]

    def contradicts(self, kept: Checkpoint) -> bool:
        """Whether `kept` is of the old log and of more events than signed, or of another root."""
        others = [part for part in self.parts if part.size == kept.size and part != kept]
        return kept.origin == self.signed.origin and (bool(others) or kept.size > self.signed.size)

    def __str__(self) -> str:
        """In words: what hangs together, and what is lost."""
        agreed, size = self.agrees.size, self.signed.size
        gone = f"positions {agreed + 1} to {size}" if size > agreed else "no positions"
        return (
            f"{self.signed.origin} ended with {size} signed events; this log agrees with {agreed} "
            f"of them, begins with {self.begins.size}; {gone} of the old log are not in this log"
        )


def open_record(note: bytes, keys: Sequence[VerifierKey]) -> Record:
    """What a record says; if `keys` are given, one of them signed it under both names.

    Raises:
        RecordFalse: it is no record, is not signed so, or its edge is another tree's.
    """
    try:
        found = _TEXT.fullmatch(parse_note(note).text)
        if found is None:
            raise RecordFalse("it is no signed note of its kind")
        names = {found["new"], found["old"]}
        if keys:
            both = [VerifierKey(name, key.public_key) for key in keys for name in names]
            if {key.name for key in open_note(note, both)[1]} != names:
                raise RecordFalse("it is not signed under both names")
    except NoteError as error:
        raise RecordFalse(str(error)) from None
    _, old, size, root, edge, *rest = found.groups()
    signed = Checkpoint(old, int(size), b64decode(root))
    agrees, begins = (
        Checkpoint(old, int(rest[at]), b64decode(rest[at + 1])) for at in range(0, 4, 2)
    )
    return Record(found["new"], _parts(signed, b64decode(edge or "")), agrees, begins)


def _parts(signed: Checkpoint, edge: bytes) -> tuple[Checkpoint, ...]:
    """The signed checkpoint, and those of the trees under the leading subtrees in `edge`."""
    if not edge:
        return (signed,)
    try:
        whole = Frontier(signed.size, edge)
    except FormatError:
        raise RecordFalse("its edge does not hash to the signed root") from None
    if whole.root() != signed.root:
        raise RecordFalse("its edge does not hash to the signed root")
    found: list[Checkpoint] = []
    size = signed.size
    while size:
        part = Frontier(size, edge[: HASH_BYTES * size.bit_count()])
        found.append(Checkpoint(signed.origin, size, part.root()))
        size &= size - 1
    return tuple(found)
