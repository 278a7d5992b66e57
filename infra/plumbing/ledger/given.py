"""What somebody who verifies an export names: a folder, a kept checkpoint, public keys.

A wrong name, or a file that is something else, says nothing about the export: it is no verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.plumbing.ledger.checkpoint import read_checkpoint
from infra.plumbing.ledger.entries import CHECKPOINT, MANIFEST
from infra.plumbing.ledger.note import NoteError, parse_keys

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.ledger.note import VerifierKey

FOLDER, KEPT, KEYS = "DIR", "--checkpoint", "--public-key"
CURES: Final = {
    FOLDER: "the folder that `rapport export-log` wrote",
    KEPT: "a signed checkpoint that you kept, of this log or of an old one",
    KEYS: "a file of lines name+id+base64, as the signer published it",
}


class GivenWrong(Exception):
    """What was named is not there or is something else; the words name it and the cure."""

    def __init__(self, option: str, path: Path, why: str) -> None:
        """Say which option, what was given, and why not."""
        super().__init__(f"{option} {path}: {why}. Give {CURES[option]}.")
        self.option = option


def read_given(
    folder: Path, checkpoint: Path | None, public_key: Path | None
) -> tuple[bytes | None, list[VerifierKey]]:
    """The kept checkpoint, a signed note whoever signed it, and the keys; `folder` is an export.

    Raises:
        GivenWrong: one of them is not what it should be.
    """
    if not ((folder / CHECKPOINT).exists() or (folder / MANIFEST).exists()):
        raise GivenWrong(FOLDER, folder, "no export is there")
    kept = None if checkpoint is None else _read(KEPT, checkpoint)
    keys = b"" if public_key is None else _read(KEYS, public_key)
    if checkpoint is not None and kept is not None:
        try:
            read_checkpoint(kept)
        except NoteError as error:
            why = f"this is no checkpoint ({str(error).rstrip('.')})"
            raise GivenWrong(KEPT, checkpoint, why) from None
    if public_key is None:
        return kept, []
    try:
        return kept, parse_keys(keys.decode(errors="replace"))
    except NoteError as error:
        raise GivenWrong(KEYS, public_key, str(error).rstrip(".")) from None


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GivenWrong(option, path, error.strerror or "it cannot be read") from None
