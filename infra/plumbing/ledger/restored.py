"""A database restored behind a published checkpoint: the old log ends, a new one goes on from it.

What follows the restored events cannot be what was signed, so the log gets another name. The record
of it is signed with the same key under both names: whoever keeps checkpoints of the old log can
check who says so. Its second line is no number, so no reader takes it for a checkpoint:

    rapport/<new deployment>
    restored-from 1
    old rapport/<old deployment>
    signed <size of its last published checkpoint> <root>
    kept <size> <root>
    at <time>
    reason <words>
"""

from __future__ import annotations

from base64 import b64encode
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
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.kept import (
    PUBLIC,
    LogRefused,
    Remembered,
    SignerError,
    damaged,
    open_seed,
    publish,
    read_latest,
    read_remembered,
    refuse_unless_grown,
    write_remembered,
    write_whole,
)
from infra.plumbing.ledger.note import NoteError, VerifierKey, public_key_of, sign_note
from infra.plumbing.ledger.signing import SQL, Head

if TYPE_CHECKING:
    from collections.abc import Callable
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
    """A log that was begun: its first checkpoint, the old log's last one, the signed record."""

    first: Checkpoint
    old: Checkpoint
    record: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator said, and what only the caller can know: a new id and the time."""

    reason: str
    deployment: UUID
    at: datetime


def start_new_log(
    connection: Connection[Any],
    places: Places,
    asked: Asked,
    root_at: Callable[[int], bytes],
) -> NewLog:
    """Give the restored log in the database a new name; needs the owner's `connection`.

    `root_at` tells the root of its first so many events.

    Raises:
        NewLogRefused: the database holds what was signed, nothing was signed, or no reason given.
        SignerError: the key or a file of the signer's is missing, damaged or not writable.
    """
    reason = " ".join(asked.reason.split())
    if not reason.isprintable() or not 0 < len(reason) <= MOST_REASON_CHARS:
        raise NewLogRefused(f"Give a reason in words, at most {MOST_REASON_CHARS} characters.")
    old, seed = _last_signed(places), open_seed(places.key, create=False)
    with connection.transaction():
        head = Head.read(connection, "head_for_update")
        _refuse_needless(old, head, root_at)
        tree = Frontier(head.size, head.frontier)
        first = Checkpoint(origin_of(asked.deployment), head.size, tree.root())
        text = _record(first, old, reason, asked.at)
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
    return NewLog(first, old, path)


def _record(first: Checkpoint, old: Checkpoint, reason: str, at: datetime) -> str:
    def told(checkpoint: Checkpoint) -> str:
        return f"{checkpoint.size} {b64encode(checkpoint.root).decode()}"

    return (
        f"{first.origin}\nrestored-from 1\nold {old.origin}\nsigned {told(old)}\n"
        f"kept {told(first)}\nat {format_time(at)}\nreason {reason}\n"
    )


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


def _refuse_needless(old: Checkpoint, head: Head, root_at: Callable[[int], bytes]) -> None:
    """A log that holds what was signed goes on under its name."""
    try:
        refuse_unless_grown(old, head.origin, head.size, root_at)
    except LogRefused:
        return
    raise NewLogRefused("The database holds what was signed, so its log goes on as it is.")
