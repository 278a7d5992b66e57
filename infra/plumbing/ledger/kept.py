"""What the signer keeps outside the database: its key, what it signed last, what it published.

These files are what a database restored from an old backup is caught by, so they are written whole,
reach the disk before anything built on them, and do not belong in that backup.

    <data folder>/secrets/signer.key           32 bytes in hexadecimal, its owner's alone
    <data folder>/signer/remembered.json       the last note and the tree's right edge at its size
    <data folder>/checkpoints/latest.checkpoint       for everybody: the last note,
                              2026-01-05.checkpoint   the last note of each day (UTC),
                              public-key              lines `name+id+base64`,
                              refused           there while the signer refuses the log: why
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from infra.plumbing.errors import HouseError
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.note import KEY_BYTES, VerifierKey, parse_keys
from infra.plumbing.postgres.folder import make_lasting
from infra.plumbing.secret_file import refuse_open_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from infra.plumbing.ledger.checkpoint import Checkpoint

LATEST = "latest.checkpoint"
PUBLIC_KEY = "public-key"
REFUSED = "refused"
PRIVATE, PUBLIC = 0o600, 0o644
"""Permissions of what is the signer's alone, and of what is for everybody."""


class SignerError(HouseError):
    """The signer cannot do its work, or refuses to; the words say why and the cure.

    ::

        SignerError
        ├── SignerKeyMissing    the key file is gone although checkpoints were signed with it
        ├── SignerKeyOpen       others may change the key file
        ├── SignerFileDamaged   the key, or what is remembered, cannot be read
        └── LogRefused          the database does not hold the log that was signed
            ├── LogRolledBack   it holds fewer events
            ├── LogRewritten    it holds others
            └── LogReplaced     it holds another log
    """


class SignerKeyMissing(SignerError):
    """The key file is gone although checkpoints were signed with it."""


class SignerKeyOpen(SignerError):
    """Others than its owner may change the key file."""


class SignerFileDamaged(SignerError):
    """The key file, or the file of what is remembered, cannot be read."""


class LogRefused(SignerError):
    """The database does not hold the log that was signed."""


class LogRolledBack(LogRefused):
    """The database holds fewer events than were signed."""

    def __init__(self, size: int, signed: int) -> None:
        """Say how many are there and how many were signed."""
        super().__init__(
            f"The database holds {size} events, but a checkpoint of {signed} was published: it was "
            "restored from a backup older than that. Restore a newer one, or start a new log with "
            "`rapport new-log --reason ...`."
        )


class LogRewritten(LogRefused):
    """The database holds other events than were signed."""

    def __init__(self, signed: int) -> None:
        """Say up to where they were signed."""
        super().__init__(
            f"The events up to position {signed} are not those of the published checkpoint: some "
            "were changed, or an old backup was restored and written to. Restore a good backup, or "
            "start a new log with `rapport new-log --reason ...`."
        )


class LogReplaced(LogRefused):
    """The database holds another log than was signed."""

    def __init__(self, found: str, signed: str) -> None:
        """Say which log is there and which was signed."""
        super().__init__(
            f"The database holds the log {found}, but the published checkpoint is of {signed}. Use "
            "the data folder that belongs to this database, or start a new log with "
            "`rapport new-log --reason ...`."
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last note, and the packed right edge of the tree at its size (format.Frontier)."""

    note: str
    frontier: bytes


def open_seed(path: Path, *, create: bool) -> bytes:
    """The signer's Ed25519 seed (32 bytes) at `path`; with `create` a new one if there is none.

    Raises:
        SignerKeyMissing: no file, and `create` is false.
        SignerKeyOpen: others may change the file.
        SignerFileDamaged: the file does not hold 32 bytes in hexadecimal.
    """
    if create and not path.exists():
        write_whole(path, os.urandom(KEY_BYTES).hex().encode() + b"\n", PRIVATE)
    refuse_open_file(path, SignerKeyOpen)
    written = _read(path)
    if written is None:
        raise SignerKeyMissing(
            f"The signer's key {path} is not there, but checkpoints were signed with one. Restore "
            "it from your backup, so that whoever knows its public key can go on checking."
        )
    try:
        seed = bytes.fromhex(written.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != KEY_BYTES:
        raise SignerFileDamaged(
            f"{path} is no key of the signer: it must hold {2 * KEY_BYTES} hexadecimal digits. "
            "Restore it from your backup."
        )
    return seed


def read_remembered(path: Path) -> Remembered | None:
    """What was signed last; None before anything was.

    Raises:
        SignerFileDamaged: the file cannot be read.
    """
    written = _read(path)
    if written is None:
        return None
    try:
        found = orjson.loads(written)
        return Remembered(str(found["note"]), b64decode(found["frontier"], validate=True))
    except (ValueError, KeyError, TypeError):
        raise damaged(path) from None


def damaged(path: Path) -> SignerFileDamaged:
    """Word a file of the signer's that is not what the signer wrote."""
    return SignerFileDamaged(
        f"{path} is damaged. Move it away: the signer then reads the whole log again and compares "
        "it with the checkpoint published last."
    )


def write_remembered(path: Path, remembered: Remembered) -> None:
    """Remember; on the disk when this returns."""
    frontier = b64encode(remembered.frontier).decode()
    write_whole(path, orjson.dumps({"note": remembered.note, "frontier": frontier}), PRIVATE)


def read_latest(folder: Path) -> bytes | None:
    """The note published last; None if there is none.

    Raises:
        SignerError: this user may not read it.
    """
    return _read(folder / LATEST)


def read_notes(folder: Path) -> list[bytes]:
    """Every note that lies in the folder: the last, and the last of each day.

    Raises:
        SignerError: this user may not read them.
    """
    found = (_read(path) for path in sorted(folder.glob("*.checkpoint")))
    return [note for note in found if note is not None]


def read_refusal(folder: Path) -> str | None:
    """Why the signer refuses the log; None if it does not.

    Raises:
        SignerError: this user may not read it.
    """
    written = _read(folder / REFUSED)
    return None if written is None else written.decode(errors="replace").strip()


def write_refusal(folder: Path, refusal: LogRefused | None) -> None:
    """Tell everybody that the signer refuses the log, and why; None: it does not any more."""
    if refusal is not None:
        write_whole(folder / REFUSED, f"{refusal}\n".encode(), PUBLIC)
    elif (folder / REFUSED).exists():
        (folder / REFUSED).unlink()


def refuse_unless_grown(
    signed: Checkpoint, origin: str, size: int, root_at: Callable[[int], bytes]
) -> None:
    """See that the log `origin` of `size` events holds what was signed, and may have grown.

    `root_at` tells the root of its first so many events.

    Raises:
        LogRefused: it does not.
    """
    if signed.origin != origin:
        raise LogReplaced(origin, signed.origin)
    if size < signed.size:
        raise LogRolledBack(size, signed.size)
    try:
        root = root_at(signed.size)
    except LedgerGap:
        raise LogRewritten(signed.size) from None
    if root != signed.root:
        raise LogRewritten(signed.size)


def publish(folder: Path, note: str, key: VerifierKey, today: date) -> None:
    """Put the note and the public key where everybody may copy them from."""
    known = _known_keys(folder / PUBLIC_KEY)
    if key not in known:
        lines = "".join(f"{each}\n" for each in [*known, key])
        write_whole(folder / PUBLIC_KEY, lines.encode(), PUBLIC)
    write_whole(folder / f"{today.isoformat()}.checkpoint", note.encode(), PUBLIC)
    write_whole(folder / LATEST, note.encode(), PUBLIC)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, on the disk when this returns.

    Raises:
        SignerError: the folder cannot be written to.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        make_lasting(path.parent)
    except OSError as error:
        raise SignerError(
            f"{path} cannot be written: {error.strerror}. Give the signer's user the folder."
        ) from error


def _read(path: Path) -> bytes | None:
    """A file's content; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SignerError(
            f"{path} cannot be read: {error.strerror}. Give the program's user the folder."
        ) from error


def read_keys(folder: Path) -> list[VerifierKey]:
    """The public keys of this log and of former ones; none before anything was published.

    Raises:
        SignerFileDamaged: the file holds something else.
    """
    return _known_keys(folder / PUBLIC_KEY)


def _known_keys(path: Path) -> list[VerifierKey]:
    written = _read(path)
    try:
        return [] if written is None else parse_keys(written.decode())
    except ValueError:
        raise SignerFileDamaged(
            f"{path} holds something else than public keys. Move it away; the signer writes its "
            "own key anew, and those of former logs are in your backup."
        ) from None
