"""A database restored behind a published checkpoint: the old log ends, a new one goes on from it.

What follows the restored events cannot be what was signed, so the log gets another name. The record
of it is signed with the same key under both names: whoever keeps checkpoints of the old log can
check who says so. Its second line is no number, so no reader takes it for a checkpoint:

    rapport/<new deployment>
    restored-from 2
    old rapport/<old deployment>
    signed <size of its last published checkpoint> <root>
    edge <the roots of that tree's perfect subtrees, largest first, joined, in base64>
    agrees <size> <root>
    begins <size> <root>
    at <time>
    reason <words>

`agrees` is the largest size at which both logs can be shown to be the same: by a checkpoint of the
old one, or by the subtrees in `edge`, which hash to the signed root. No proof says that the old
log's events behind it are in the new one. `begins` is the new log's first checkpoint. `edge` is
left out where the signer's memory of it was lost.

Nothing of this is the database's word: every row is hashed again first.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from events.times import format_time
from infra.plumbing.ledger.checkpoint import (
    Checkpoint,
    open_checkpoint,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
)
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import FormatError, Frontier
from infra.plumbing.ledger.kept import (
    PUBLIC,
    Remembered,
    SignerError,
    damaged,
    open_seed,
    publish,
    read_latest,
    read_notes,
    read_remembered,
    write_remembered,
    write_whole,
)
from infra.plumbing.ledger.merkle import EMPTY_ROOT, HASH_BYTES
from infra.plumbing.ledger.note import NoteError, VerifierKey, public_key_of, sign_note
from infra.plumbing.ledger.recount import RowWrong, tree_of_rows
from infra.plumbing.ledger.signing import SQL, Head

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.ledger.signing import Places

MOST_REASON_CHARS = 500


class NewLogRefused(SignerError):
    """There is no reason for a new log, or none was given in words."""


@dataclass(frozen=True, slots=True)
class NewLog:
    """A log that was begun: its first checkpoint, the old log's last one, the signed record.

    `agrees` is how far the two can be shown to be the same.
    """

    first: Checkpoint
    old: Checkpoint
    agrees: Checkpoint
    record: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator said, and what only the caller can know: a new id and the time."""

    reason: str
    deployment: UUID
    at: datetime


def start_new_log(connection: Connection[Any], places: Places, asked: Asked) -> NewLog:
    """Give the restored log in the database a new name; needs the owner's `connection`.

    Raises:
        NewLogRefused: the database holds what was signed, nothing was signed, no reason was given,
            or what it holds is no log: a row does not fit its leaf, or the head not the rows.
        SignerError: the key or a file of the signer's is missing, damaged or not writable.
    """
    reason = " ".join(asked.reason.split())
    if not reason.isprintable() or not 0 < len(reason) <= MOST_REASON_CHARS:
        raise NewLogRefused(f"Give a reason in words, at most {MOST_REASON_CHARS} characters.")
    old, seed = _last_signed(places), open_seed(places.key, create=False)
    with connection.transaction():
        head = Head.read(connection, "head_for_update")
        known = [old, *_older(connection, places, old, seed), *_edge(places, old)]
        tree, agrees = _read_anew(connection, head, known)
        if old.origin == head.origin and agrees.size == old.size:
            raise NewLogRefused("The database holds what was signed, so its log goes on as it is.")
        first = Checkpoint(origin_of(asked.deployment), head.size, tree.root())
        text = _record(first, places, (old, agrees), reason, asked.at)
        record = sign_note(text, seed, [old.origin, first.origin])
        note = sign_checkpoint(first, seed)
        renamed = {"deployment": head.deployment}
        connection.execute(SQL["end_log"], {**renamed, "note": record})
        connection.execute(SQL["put_away"], renamed)
        connection.execute(SQL["rename_log"], {"deployment": asked.deployment})
        connection.execute(SQL["keep_note"], {"size": first.size, "note": note})
    # A crash before the last of these leaves the old checkpoint published: the next start refuses
    # the database again, and the operator starts another new log.
    path = places.published / f"restored-from-{asked.deployment}.note"
    write_whole(path, record.encode(), PUBLIC)
    write_remembered(places.remembered, Remembered(note, tree.packed()))
    publish(places.published, note, VerifierKey(first.origin, public_key_of(seed)), asked.at.date())
    return NewLog(first, old, agrees, path)


def _read_anew(
    connection: Connection[Any], head: Head, known: list[Checkpoint]
) -> tuple[Frontier, Checkpoint]:
    """The tree of every row, and the largest of `known` that it agrees with.

    Raises:
        NewLogRefused: a row does not fit its leaf or its stream, or the head not the rows.
    """
    agreed = [Checkpoint(known[0].origin, 0, EMPTY_ROOT)]

    def compare(tree: Frontier) -> None:
        here = [each for each in known if each.size == tree.size]
        agreed.extend(each for each in here if each.root == tree.root())

    try:
        tree = tree_of_rows(connection, head.size, compare, [each.size for each in known])
    except RowWrong as wrong:
        raise NewLogRefused(
            f"The event at position {wrong.position} is not what was recorded: it does not fit its "
            "leaf. No log is begun over it. Restore a backup from before it was changed."
        ) from None
    except LedgerGap as gap:
        raise NewLogRefused(f"{gap} Restore a backup from before events were removed.") from None
    if tree.packed() != head.frontier:
        raise NewLogRefused(
            f"The head of the log does not belong to its {head.size} events: head or events were "
            "changed. No log is begun over them. Restore a backup from before that."
        )
    return tree, max(agreed, key=lambda each: each.size)


def _record(
    first: Checkpoint,
    places: Places,
    olds: tuple[Checkpoint, Checkpoint],
    reason: str,
    at: datetime,
) -> str:
    def told(checkpoint: Checkpoint) -> str:
        return f"{checkpoint.size} {b64encode(checkpoint.root).decode()}"

    old, agrees = olds
    remembered = read_remembered(places.remembered)
    edge = "" if remembered is None else f"edge {b64encode(remembered.frontier).decode()}\n"
    return (
        f"{first.origin}\nrestored-from 2\nold {old.origin}\nsigned {told(old)}\n{edge}"
        f"agrees {told(agrees)}\nbegins {told(first)}\nat {format_time(at)}\nreason {reason}\n"
    )


def _older(
    connection: Connection[Any], places: Places, old: Checkpoint, seed: bytes
) -> list[Checkpoint]:
    """Every checkpoint of the old log that is still known, in the folder or in the database."""
    key = VerifierKey(old.origin, public_key_of(seed))
    rows = connection.execute(SQL["notes"]).fetchall()
    found: list[Checkpoint] = []
    for note in [*read_notes(places.published), *(note.encode() for (note,) in rows)]:
        # Another log's, or not this signer's: it says nothing about the old log.
        with suppress(NoteError):
            found.append(open_checkpoint(note, [key]))
    return found


def _edge(places: Places, old: Checkpoint) -> list[Checkpoint]:
    """The sizes and roots that follow from the signed tree's remembered right edge."""
    remembered = read_remembered(places.remembered)
    if remembered is None:
        return []
    try:
        whole = Frontier(old.size, remembered.frontier)
    except FormatError:
        raise damaged(places.remembered) from None
    if whole.root() != old.root:
        raise damaged(places.remembered)
    found: list[Checkpoint] = []
    size, left = 0, old.size
    while left:
        size += 1 << left.bit_length() - 1
        left = old.size - size
        part = Frontier(size, remembered.frontier[: HASH_BYTES * size.bit_count()])
        found.append(Checkpoint(old.origin, size, part.root()))
    return found


def _last_signed(places: Places) -> Checkpoint:
    """The last checkpoint that may be in somebody's hands."""
    remembered = read_remembered(places.remembered)
    latest = read_latest(places.published) if remembered is None else remembered.note.encode()
    if latest is None:
        raise NewLogRefused("Nothing was ever published of this log, so it can simply go on.")
    try:
        said = read_checkpoint(latest)
        key = VerifierKey(said.origin, public_key_of(open_seed(places.key, create=False)))
        return open_checkpoint(latest, [key])
    except NoteError:
        raise damaged(places.remembered) from None
