"""Is an export whole, unchanged, and the log that was signed? Reads files only; no database.

The stand-alone `infra/plumbing/verify.py` checks the same in its own way and must always agree. A
verdict names the first bad position, or the narrowest range of positions that the roots allow.
Memory grows with the number of customers, not of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

from infra.plumbing.ledger.blocks import checked_blocks
from infra.plumbing.ledger.chain import MOST_BYTES, ChainFalse, read_chain
from infra.plumbing.ledger.checkpoint import open_checkpoint, read_checkpoint
from infra.plumbing.ledger.entries import (
    CHAIN,
    CHECKPOINT,
    ENTRIES,
    MANIFEST,
    Counts,
    manifest,
)
from infra.plumbing.ledger.format import NO_LEAF, Frontier, node_hash
from infra.plumbing.ledger.lines import LINK, perfect_subtrees
from infra.plumbing.ledger.note import MOST_NOTE_BYTES, NoteError
from infra.plumbing.ledger.records import Record, RecordFalse, open_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from infra.plumbing.ledger.checkpoint import Checkpoint
    from infra.plumbing.ledger.lines import Block
    from infra.plumbing.ledger.note import VerifierKey

FIRST_VERSIONS = (0, 1)
KEPT = "kept checkpoint"
ROOT_DIFFERS = "the root is not the signed one: an entry was changed, removed or inserted"


class NotTheLog(Exception):
    """An export does not hold what was signed.

    `where` is `position 7`, `positions 1 to 9` or a file; `positions` are the first and the last
    position that may be bad, None where a file is.
    """

    def __init__(self, where: str, why: str, positions: tuple[int, int] | None = None) -> None:
        """Say where and why."""
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why
        self.positions = positions

    @classmethod
    def at(cls, position: int, why: str) -> NotTheLog:
        """The entry at `position` is bad or missing."""
        return cls(f"position {position}", why, (position, position))


@dataclass(frozen=True, slots=True)
class Verified:
    """A good export: the checkpoint it holds, what is in it, whether the signature was checked.

    `records` tell of the logs it was restored from, by the name of their file; `earlier` is how
    many earlier checkpoints it has, which all hold.
    """

    checkpoint: Checkpoint
    counts: Counts
    signature_checked: bool
    records: dict[str, Record]
    earlier: int = 0


def verify_export(
    folder: Path,
    *,
    kept: bytes | None = None,
    keys: Sequence[VerifierKey] = (),
    progress: Callable[[int], object] | None = None,
) -> Verified:
    """Check the export in `folder`; `progress` is told how many bytes more were read.

    `kept`: a checkpoint that somebody else kept, of this log or of one it was restored from; the
    export must hold that log unchanged, of an old one what a record says. `keys`: whose signatures
    count; without any no signature is checked.

    Raises:
        NotTheLog: it is not what was signed, or not whole: a file is missing, or cannot be read.
    """
    note, told = _small(folder / CHECKPOINT), _small(folder / MANIFEST)
    own = _checkpoint(note, keys, CHECKPOINT)
    other = own if kept is None else _checkpoint(kept, keys, KEPT)
    chain = _small(folder / CHAIN) if (folder / CHAIN).exists() else None
    earlier = [] if chain is None else _earlier(chain, told, own, keys)
    records = _records(folder, keys, own, other)
    reading = _Reading(own, [*_signed(own, other, records), *earlier], records)
    if not (folder / ENTRIES).exists():
        raise NotTheLog.at(1, f"{ENTRIES} is not there")
    try:
        reading.begin()
        with checked_blocks(folder / ENTRIES) as blocks:
            for block, chunk in blocks:
                reading.take(block, chunk)
                if progress is not None:
                    progress(len(chunk))
        reading.finish()
    except NotTheLog as bad:
        why = f"{bad.why}{_gone(folder / ENTRIES, reading.signed)}"
        raise NotTheLog(bad.where, why, bad.positions) from None
    if told != manifest(own.origin, reading.counts, note, reading.digest.digest(), chain):
        raise NotTheLog(MANIFEST, "it does not belong to these files")
    return Verified(own, reading.counts, bool(keys), records, len(earlier))


class _Reading:
    """What was read so far: the tree, each stream's last event, the counts."""

    def __init__(
        self, own: Checkpoint, signed: Sequence[Checkpoint], records: dict[str, Record]
    ) -> None:
        """Read what the checkpoints `signed` are about; `records` may be false."""
        self._own = own
        self._signed = signed
        told = [(where, told) for where, record in records.items() for told in record.told]
        self._records = sorted(told, key=lambda each: (each[0], each[1].root))
        self._false: tuple[str, int] | None = None
        self._size = self._bodies = self._good = 0
        self._recorded_at = -(1 << 63)
        self._peaks: list[tuple[int, bytes]] = []
        self._streams: dict[bytes, tuple[int, bytes]] = {}
        self.digest = sha256()

    @property
    def counts(self) -> Counts:
        """How much was read."""
        return Counts(self._size, self._bodies, len(self._streams))

    @property
    def signed(self) -> int:
        """How many events must be there."""
        return max(signed.size for signed in self._signed)

    def begin(self) -> None:
        """Compare what was told of an empty log.

        Raises:
            NotTheLog: its root is another one.
        """
        self._check_roots()

    def take(self, block: Block, chunk: bytes) -> None:
        """Take in the next block, checked from the bytes `chunk`, up to its first fault.

        Raises:
            NotTheLog: it does not follow what was read before, or is not what was signed.
        """
        self.digest.update(chunk)
        start = self._size
        end = start + len(block.links) // LINK.size
        every = [*self._signed, *(told for _, told in self._records)]
        inside = {each.size for each in every if start < each.size < end}
        for cut in [*sorted(inside), end]:
            links = block.links[(self._size - start) * LINK.size : (cut - start) * LINK.size]
            if links:
                self._refuse_beyond()
                leaves = self._follow(links)
                self._grow(perfect_subtrees(leaves, self._size) if inside else block.subtrees)
                self._size = cut
                self._check_roots()
        self._bodies += block.bodies
        if block.fault is not None:
            self._refuse_beyond()
            raise NotTheLog.at(self._size + 1, block.fault)

    def finish(self) -> None:
        """See that nothing is missing at the end.

        Raises:
            NotTheLog: more was signed than is there.
        """
        if self._size < self.signed:
            self._refuse("they are not all there", self.signed)

    def _follow(self, links: bytes) -> list[bytes]:
        """See that each event follows those before in its stream and in the log; their leaves."""
        streams, recorded_before = self._streams, self._recorded_at
        leaves: list[bytes] = []
        for stream, version, previous, recorded_at, leaf in LINK.iter_unpack(links):
            last = streams.get(stream)
            if last is None:
                follows = previous == NO_LEAF and version in FIRST_VERSIONS
            else:
                follows = previous == last[1] and version == last[0] + 1
            if not follows or recorded_at < recorded_before:
                hole = (0 if last is None else last[0]) + 1, version - 1
                why = "it does not follow the events before in the log or of its customer"
                if hole[0] <= hole[1]:
                    who = f"{hole[0]} to {hole[1]} of customer {UUID(bytes=stream)}"
                    why = f"before it versions {who} are missing"
                raise NotTheLog.at(self._size + len(leaves) + 1, why)
            streams[stream] = (version, leaf)
            recorded_before = recorded_at
            leaves.append(leaf)
        self._recorded_at = recorded_before
        return leaves

    def _grow(self, subtrees: list[tuple[int, bytes]]) -> None:
        """Put perfect subtrees to the right of the tree, whose peaks they join where they pair."""
        for peak in subtrees:
            level, node = peak
            while self._peaks and self._peaks[-1][0] == level:
                node = node_hash(self._peaks.pop()[1], node)
                level += 1
            self._peaks.append((level, node))

    def _refuse_beyond(self) -> None:
        """One more entry is there than the export's own checkpoint has."""
        if self._size == self._own.size:
            raise NotTheLog.at(self._size + 1, "it stands beyond the checkpoint")

    def _check_roots(self) -> None:
        """Compare the roots that were told of this size.

        A record is false if its root is another one and what was signed later holds. If that does
        not hold either, entries were changed, and the record tells where.
        """
        due = [signed.root for signed in self._signed if signed.size == self._size]
        told = [(name, each.root) for name, each in self._records if each.size == self._size]
        if not due and not told:
            return
        root = Frontier(self._size, b"".join(peak for _, peak in self._peaks)).root()
        if self._false is None:
            wrong = (name for name, other in told if other != root)
            self._false = next(((name, self._size) for name in wrong), None)
        if any(signed != root for signed in due):
            self._refuse(ROOT_DIFFERS, self._size)
        if due and self._false is not None:
            name, size = self._false
            raise NotTheLog(name, f"its root of {size} events is not the true one")
        if self._false is None:
            self._good = self._size

    def _refuse(self, why: str, end: int) -> None:
        """Name the range that all roots allow, up to `end`, or to where a record's differs."""
        end = (0 if self._false is None else self._false[1]) or end
        if not end:
            raise NotTheLog(CHECKPOINT, why)
        span = (self._good + 1, end)
        raise NotTheLog(f"positions {span[0]} to {span[1]}", why, span)


def _gone(entries: Path, signed: int) -> str:
    """In words, by how many there are fewer lines than signed events."""
    with entries.open("rb") as file:
        gone = signed - sum(1 for _ in file)
    return f"; {gone} of {signed} signed events are gone" if gone > 0 else ""


def _records(
    folder: Path, keys: Sequence[VerifierKey], own: Checkpoint, kept: Checkpoint
) -> dict[str, Record]:
    """The records in an export, by the name of their file, as far as they can be judged alone."""
    found: dict[str, Record] = {}
    for _, number in zip(list(folder.glob("restored-from-*.note")), count(1), strict=False):
        name = f"restored-from-{number}.note"
        try:
            record = open_record(_small(folder / name), keys)
        except RecordFalse as error:
            raise NotTheLog(name, str(error)) from None
        if max(record.agrees.size, record.begins.size) > own.size:
            raise NotTheLog(name, "it tells of more events than the checkpoint")
        if record.contradicts(kept):
            raise NotTheLog(name, "the kept checkpoint of the old log says otherwise")
        found[name] = record
    for name, record in list(found.items())[-1:]:
        if record.new != own.origin:
            raise NotTheLog(name, f"it is of {record.new}, the export of {own.origin}")
    return found


def _earlier(
    chain: bytes, told: bytes, own: Checkpoint, keys: Sequence[VerifierKey]
) -> list[Checkpoint]:
    """The earlier checkpoints in the file that the manifest `told` of."""
    if len(chain) > MOST_BYTES:  # cut when it was read: its hash would say nothing
        raise NotTheLog(CHAIN, f"it has more than {MOST_BYTES} bytes")
    if sha256(chain).hexdigest().encode() not in told:
        raise NotTheLog(CHAIN, "it is not the file that manifest.json names")
    try:
        return read_chain(chain, own, keys)
    except ChainFalse as error:
        raise NotTheLog(CHAIN, str(error)) from None


def _signed(own: Checkpoint, kept: Checkpoint, records: dict[str, Record]) -> list[Checkpoint]:
    """The checkpoints whose roots the entries must have."""
    if kept.origin == own.origin:
        return [own, kept]
    agreed = [each.agrees.size for each in records.values() if each.signed.origin == kept.origin]
    if not agreed:
        raise NotTheLog(KEPT, f"it is of {kept.origin}, the export of {own.origin}")
    return [own, kept] if kept.size <= max(agreed) else [own]


def _checkpoint(note: bytes, keys: Sequence[VerifierKey], where: str) -> Checkpoint:
    try:
        return open_checkpoint(note, keys) if keys else read_checkpoint(note)
    except NoteError as error:
        raise NotTheLog(where, str(error)) from None


def _small(path: Path) -> bytes:
    """A file that is never large; one that is, is cut and so found bad."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_NOTE_BYTES + 1)
    except OSError as error:
        raise NotTheLog(path.name, error.strerror or "it cannot be read") from None
