"""The ledger as a folder of files that anybody can check: checkpoint, entries, manifest.

Written beside its final name and moved there when whole; what a killed export left beside it is
taken away by the next one to the same place. Streamed in batches, so memory stays bounded whatever
the log's length; the same log and checkpoint give the same bytes. What is sealed in the ledger is
sealed in the export.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from infra.plumbing.errors import HouseError
from infra.plumbing.ledger.chain import MOST_NOTES
from infra.plumbing.ledger.checkpoint import read_checkpoint
from infra.plumbing.ledger.entries import (
    CHAIN,
    CHECKPOINT,
    ENTRIES,
    MANIFEST,
    Counts,
    manifest,
    write_line,
)
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import NO_LEAF
from infra.plumbing.ledger.halves import HalfRefused, clear_halves, half_made
from infra.plumbing.ledger.recount import digest_of, header_of
from infra.plumbing.ledger.scan import scan
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from psycopg import Connection

    from infra.plumbing.ledger.checkpoint import Checkpoint
    from infra.plumbing.ledger.scan import Entry

BATCH = 5_000
RECORD = "restored-from"
"""Files `restored-from-1.note` and so on: the signed records of the logs that ended here."""
_SQL = Queries.beside("infra.plumbing.ledger", "export.sql")


class ExportRefused(HouseError):
    """The log cannot be exported there, or not yet."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the checkpoint it is good for, how much, and what stays in the way.

    `left` are folders of killed exports to the same place that could not be taken away.
    """

    checkpoint: Checkpoint
    counts: Counts
    left: list[Path]


def export_log(
    connection: Connection[Any],
    folder: Path,
    progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """Write the log as far as its last checkpoint into `folder`, which is made.

    `progress` is told how many events of how many are written. Appends go on meanwhile.

    Raises:
        ExportRefused: there is no checkpoint yet, something lies in `folder`, or events that were
            signed are missing.
    """
    note = _last_note(connection)
    checkpoint = read_checkpoint(note)
    _refuse_full(folder)
    left = clear_halves(folder)
    try:
        with half_made(folder) as half:
            counts, digest = _write_entries(connection, half / ENTRIES, checkpoint, progress)
            (half / CHECKPOINT).write_bytes(note)
            for number, (record,) in enumerate(connection.execute(_SQL["records"]).fetchall(), 1):
                (half / f"{RECORD}-{number}.note").write_bytes(record.encode())
            chain = earlier_checkpoints(connection, checkpoint)
            if chain is not None:
                (half / CHAIN).write_bytes(chain)
            (half / MANIFEST).write_bytes(manifest(checkpoint.origin, counts, note, digest, chain))
            _refuse_full(folder)  # another export may have been quicker
            half.rename(folder)
    except LedgerGap as gap:
        raise ExportRefused(
            f"{gap} The checkpoint was signed over {checkpoint.size} events, so some were removed. "
            "Nothing was exported. Restore a backup from before that."
        ) from gap
    except HalfRefused as error:
        raise ExportRefused(str(error)) from error
    return Exported(checkpoint, counts, left)


def refuse_export(connection: Connection[Any], folder: Path) -> None:
    """See beforehand that an export into `folder` can be made.

    Raises:
        ExportRefused: there is no checkpoint yet, or something lies in `folder`.
    """
    _last_note(connection)
    _refuse_full(folder)


def _last_note(connection: Connection[Any]) -> bytes:
    row = connection.execute(_SQL["last_note"]).fetchone()
    if row is None:
        raise ExportRefused(
            "Nothing has been signed yet, so an export could not be checked. Start the signer "
            "(`rapport up` or `rapport signer --once`), then export again."
        )
    return row[0].encode()


def _refuse_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportRefused(f"Something lies in {folder} already; export into a new folder.")


def _write_entries(
    connection: Connection[Any],
    path: Path,
    checkpoint: Checkpoint,
    progress: Callable[[int, int], object] | None,
) -> tuple[Counts, bytes]:
    """All lines through the checkpoint's size; what was written, and the file's SHA-256.

    Raises:
        LedgerGap: fewer are there.
    """
    digest, written, bodies, streams = sha256(), 0, 0, 0
    with path.open("wb") as file:
        for start in range(0, checkpoint.size, BATCH):
            end = min(start + BATCH, checkpoint.size)
            entries = list(scan(connection, start, end))
            before = _leaves_before(connection, entries)
            text = b"".join(map(_line, entries, before))
            file.write(text)
            digest.update(text)
            written += len(entries)
            if written != end:
                raise LedgerGap(written, end + 1)
            bodies += sum(entry.body is not None for entry in entries)
            streams += before.count(NO_LEAF)
            if progress is not None:
                progress(end, checkpoint.size)
        file.flush()
        os.fsync(file.fileno())
    return Counts(written, bodies, streams), digest.digest()


def earlier_checkpoints(connection: Connection[Any], last: Checkpoint) -> bytes | None:
    """The notes before the last; of many, the last in each of MOST_NOTES equal stretches."""
    asked = {"size": last.size, "most": MOST_NOTES}
    notes = [note for (note,) in connection.execute(_SQL["earlier"], asked)]
    return "".join(notes).encode() or None


def _leaves_before(connection: Connection[Any], entries: Sequence[Entry]) -> list[bytes]:
    """For each entry the leaf of the event before in its stream, zeros where there is none."""
    earliest: dict[bytes, int] = {}
    for entry in entries:
        earliest.setdefault(entry.stream, entry.version)
    asked = {
        "streams": [UUID(bytes=stream) for stream in earliest],
        "versions": list(earliest.values()),
    }
    last: dict[bytes, bytes] = {
        stream.bytes: bytes(leaf)
        for stream, leaf in connection.execute(_SQL["leaves_before"], asked)
    }
    found: list[bytes] = []
    for entry in entries:
        found.append(last.get(entry.stream, NO_LEAF))
        last[entry.stream] = entry.leaf
    return found


def _line(entry: Entry, before: bytes) -> bytes:
    header = header_of(entry, before)
    content = digest_of(entry) if entry.body is None else entry.body
    return write_line(entry.position, header, content, entry.leaf, whole=entry.body is not None)
