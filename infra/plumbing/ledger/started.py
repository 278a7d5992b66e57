"""At start: does the database hold the log that was signed? Worked out from its leaves.

Every signed note at hand counts: the last one, the last of each day, and the last one in the
database's own table. So whoever would have an older log pass must take away all of them. What was
stored to be quick (tiles, the head's edge) is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.plumbing.ledger.checkpoint import open_checkpoint, origin_of, read_checkpoint
from infra.plumbing.ledger.kept import (
    LATEST,
    LogReplaced,
    damaged,
    read_keys,
    read_latest,
    read_notes,
    refuse_unless_grown,
)
from infra.plumbing.ledger.note import NoteError
from infra.plumbing.ledger.recount import roots_of_leaves
from infra.plumbing.ledger.signing import SQL, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from psycopg import Connection

    from infra.plumbing.ledger.checkpoint import Checkpoint
    from infra.plumbing.ledger.note import VerifierKey


def refuse_another_log(
    connection: Connection[Any], folder: Path, root_at: Callable[[int], bytes] | None = None
) -> None:
    """See that the database holds what was published in `folder`, and may have grown.

    The roots are worked out from all leaves, about a second a million; with `root_at`, which
    tells the root of the first so many events, only the newest checkpoint is looked at.

    Raises:
        LogRefused: it does not.
        SignerError: a file cannot be read, or is no checkpoint of ours.
    """
    signed = _signed(connection, folder)
    if not signed:
        return
    # Asked after the checkpoints were read: the log may grow meanwhile.
    head = Head.read(connection)
    if root_at is not None:
        refuse_unless_grown(signed[0], head.origin, head.size, root_at)
        return
    roots: dict[int, bytes] = {}

    def from_leaves(size: int) -> bytes:
        if not roots:
            roots.update(roots_of_leaves(connection, [each.size for each in signed]))
        return roots[size]

    for each in signed:
        refuse_unless_grown(each, head.origin, head.size, from_leaves)


def _signed(connection: Connection[Any], folder: Path) -> list[Checkpoint]:
    """What is known to have been signed of this log, the largest first.

    Raises:
        LogReplaced: a note is of another log, and not of one that ended here.
    """
    origin = Head.read(connection).origin
    ended = {origin_of(deployment) for (deployment,) in connection.execute(SQL["ended"])}
    rows = connection.execute(SQL["last_note"]).fetchall()
    keys, found = read_keys(folder), [_read(note.encode(), folder, ()) for (note,) in rows]
    latest = read_latest(folder)
    if latest is not None:  # of a log that ended too: somebody has to begin the new one first
        ended.discard(_read(latest, folder, keys).origin)
    for note in read_notes(folder):
        checkpoint = _read(note, folder, keys)
        if checkpoint.origin not in ended:
            found.append(checkpoint)
    for each in found:
        if each.origin != origin:
            raise LogReplaced(origin, each.origin)
    return sorted(found, key=lambda each: each.size, reverse=True)


def _read(note: bytes, folder: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    """What a note says; its signature counts where the key is there."""
    try:
        said = read_checkpoint(note)
        known = [key for key in keys if key.name == said.origin]
        return open_checkpoint(note, known) if known else said
    except NoteError:
        raise damaged(folder / LATEST) from None
