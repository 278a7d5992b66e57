"""The signer: reads the log's leaves, keeps the tree's edge itself, and signs what only grew.

It believes the database nothing that it has not worked out from leaves: from the edge it remembers
it goes on with the leaves that came since, and the result must be the edge in the head row. So each
checkpoint is consistent with the one before by construction. What it signs it remembers on its own
disk before anybody sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    LogReplaced,
    LogRewritten,
    LogRolledBack,
    Remembered,
    SignerFileDamaged,
    damaged,
    open_seed,
    publish,
    read_latest,
    read_remembered,
    write_remembered,
)
from infra.plumbing.ledger.note import NoteError, VerifierKey, public_key_of
from infra.plumbing.ledger.recount import grow
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.clock import Clock
    from infra.plumbing.settings import Settings

SLICE = 2_000
"""Signed leaves read again at each look, one a second: a million in under nine minutes."""
EVERY_EVENTS = 10_000
EVERY_SECONDS = 60.0
ASK_CHANNEL = "rapport_sign"
"""NOTIFY channel: whoever wants a checkpoint now asks here."""
SQL = Queries.beside("infra.plumbing.ledger", "signing.sql")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the signer keeps its files; see kept.py."""

    key: Path
    remembered: Path
    published: Path


def places_of(settings: Settings) -> Places:
    """The signer's files as the settings have them."""
    return Places(
        settings.signer_key_path,
        settings.data_dir / "signer" / "remembered.json",
        settings.checkpoints_path,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The head row: which log, how long, and the edge it says its tree has."""

    deployment: UUID
    size: int
    frontier: bytes

    @property
    def origin(self) -> str:
        """The log's name."""
        return origin_of(self.deployment)

    @classmethod
    def read(cls, connection: Connection[Any], query: str = "head") -> Head:
        """Read it."""
        [(deployment, size, frontier)] = connection.execute(SQL[query]).fetchall()
        return cls(deployment, size, bytes(frontier))


def may_sign(connection: Connection[Any]) -> bool:
    """Whether this user may add checkpoints; also true where there is no table of them yet."""
    row = connection.execute(SQL["may_sign"]).fetchone()
    return row is None or bool(row[0])


def is_due(unsigned: int, seconds: float, *, asked: bool) -> bool:
    """Whether to sign now: `unsigned` events came, the last note is `seconds` old.

    Below zero the log was set back: the signer tries at once, and so refuses it.
    """
    ripe = asked or unsigned >= EVERY_EVENTS or seconds >= EVERY_SECONDS
    return unsigned < 0 or (unsigned > 0 and ripe)


class Signer:
    """Signs one log. `size` is how far it has signed, -1 before its first checkpoint."""

    def __init__(self, connection: Connection[Any], places: Places, clock: Clock) -> None:
        """Take up the work where it was left.

        Raises:
            SignerError: a file is missing or damaged, or the log is not the one signed before.
        """
        self._connection = connection
        self._places = places
        self._clock = clock
        head = Head.read(connection)
        notes = self._known_notes()
        remembered = read_remembered(places.remembered)
        self._seed = open_seed(places.key, create=not notes and remembered is None)
        self.key = VerifierKey(head.origin, public_key_of(self._seed))
        self.size: int = -1
        self._tree = self._again = self._goal = Frontier()
        if remembered is not None:
            self._take_up(remembered, head)
        else:
            for checkpoint in sorted(
                (self._own(note, head) for note in notes), key=lambda each: each.size
            ):
                self._tree = self._followed(checkpoint.size, head)
                if self._tree.root() != checkpoint.root:
                    raise LogRewritten(checkpoint.size)

    def look(self) -> Head:
        """The head row as it is now.

        Raises:
            LogRefused: it is another log's, behind what was signed, or another tree's.
        """
        head = Head.read(self._connection)
        if head.origin != self.key.name:
            raise LogReplaced(head.origin, self.key.name)
        if head.size < self.size:
            raise LogRolledBack(head.size, self.size)
        if head.size == self.size and head.frontier != self._tree.packed():
            raise LogRewritten(head.size)
        return head

    def reread(self) -> None:
        """Read the next SLICE of what was signed again, from the first leaf on, round and round.

        Raises:
            LogRewritten: a leaf is missing, or the round does not end at the signed tree's edge.
        """
        if self._again.size == self._goal.size:
            self._again, self._goal = Frontier(), self._tree
        self._grow(self._again, min(self._again.size + SLICE, self._goal.size))
        if self._again.size == self._goal.size and self._again.packed() != self._goal.packed():
            raise LogRewritten(self._goal.size)

    def sign(self) -> str | None:
        """Sign the log as it is now, remember and publish; the note, None if nothing came.

        Raises:
            LogRefused: it is not a longer version of the log signed before. Nothing was signed.
            SignerError: a file cannot be written.
        """
        head = self.look()
        tree = self._followed(head.size, head)
        if tree.packed() != head.frontier:
            raise LogRewritten(head.size)
        if head.size == self.size:
            return None
        note = sign_checkpoint(Checkpoint(head.origin, head.size, tree.root()), self._seed)
        write_remembered(self._places.remembered, Remembered(note, tree.packed()))
        self.size, self._tree = head.size, tree
        self._publish(note)
        return note

    def _publish(self, note: str) -> None:
        publish(self._places.published, note, self.key, self._clock().date())
        self._connection.execute(SQL["keep_note"], {"size": self.size, "note": note})

    def _take_up(self, remembered: Remembered, head: Head) -> None:
        """Go on from what was signed last, and publish it again: a crash may have come between."""
        try:
            checkpoint = self._own(remembered.note.encode(), head)
            self._tree = Frontier(checkpoint.size, remembered.frontier)
        except FormatError:
            raise damaged(self._places.remembered) from None
        if self._tree.root() != checkpoint.root:
            raise damaged(self._places.remembered)
        if head.size < checkpoint.size:
            raise LogRolledBack(head.size, checkpoint.size)
        self.size = checkpoint.size
        self._publish(remembered.note)

    def _known_notes(self) -> list[bytes]:
        """What was published last, as the folder and as the database say."""
        rows = self._connection.execute(SQL["last_note"]).fetchall()
        latest = read_latest(self._places.published)
        return [*(note.encode() for (note,) in rows), *([latest] if latest is not None else [])]

    def _own(self, note: bytes, head: Head) -> Checkpoint:
        """What a note of ours says.

        Raises:
            LogReplaced: it is of another log.
            SignerFileDamaged: it is no checkpoint, or this key did not sign it.
        """
        try:
            said = read_checkpoint(note)
            if said.origin != head.origin:
                raise LogReplaced(head.origin, said.origin)
            return open_checkpoint(note, [self.key])
        except NoteError as error:
            raise SignerFileDamaged(
                f"A checkpoint signed before cannot be read back ({error}) Restore the key in "
                f"{self._places.key} that it was signed with, from your backup."
            ) from None

    def _followed(self, size: int, head: Head) -> Frontier:
        """The tree with the leaves up to `size` added.

        Raises:
            LogRolledBack: the log is shorter than that.
            LogRewritten: a leaf is missing.
        """
        tree = Frontier(self._tree.size, self._tree.packed())
        if head.size < max(size, tree.size):
            raise LogRolledBack(head.size, max(size, tree.size))
        self._grow(tree, size)
        return tree

    def _grow(self, tree: Frontier, size: int) -> None:
        try:
            grow(self._connection, tree, size)
        except LedgerGap:
            raise LogRewritten(size) from None
