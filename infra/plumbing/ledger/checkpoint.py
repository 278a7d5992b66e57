"""Checkpoints: what one log held at one size, signed. C2SP tlog-checkpoint, to the byte. Pure.

rapport/<deployment id>
<size>
<root hash in base64>

— rapport/<deployment id> <signature>
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.plumbing.ledger.note import NoteError, open_note, parse_note, sign_note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from infra.plumbing.ledger.note import VerifierKey

ORIGIN = "rapport/"
MOST_DIGITS = 19
_TEXT = re.compile(
    r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n((?:[^\n]+\n)*)"
)


class CheckpointMalformed(NoteError):
    """A signed note whose text is no checkpoint, or a checkpoint of another log than its key's."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` entries whose RFC 6962 root is `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text, without extension lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def origin_of(deployment: UUID) -> str:
    """The name of a deployment's log, which is its key's name too."""
    return f"{ORIGIN}{deployment}"


def sign_checkpoint(checkpoint: Checkpoint, seed: bytes) -> str:
    """The checkpoint as a note signed by the Ed25519 key of `seed` under the log's own name."""
    return sign_note(checkpoint.text(), seed, [checkpoint.origin])


def read_checkpoint(note: bytes) -> Checkpoint:
    """What a checkpoint says, its signatures not looked at.

    Raises:
        NoteMalformed: it is no signed note.
        CheckpointMalformed: its text is no checkpoint.
    """
    return _parsed(parse_note(note).text)


def open_checkpoint(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """What a checkpoint says, signed by one of `keys` that bears the log's name.

    Raises:
        NoteMalformed: it is no signed note.
        NoteUnsigned: none of `keys` signed it, or a signature under one of them is wrong.
        CheckpointMalformed: its text is no checkpoint, or the key is another log's.
    """
    text, signers = open_note(note, keys)
    checkpoint = _parsed(text)
    if not any(key.name == checkpoint.origin for key in signers):
        raise CheckpointMalformed("The checkpoint is of another log than the key that signed it.")
    return checkpoint


def _parsed(text: str) -> Checkpoint:
    found = _TEXT.fullmatch(text)
    if found is None or len(found[2]) > MOST_DIGITS:
        raise CheckpointMalformed("The note is no checkpoint: origin, size and root are needed.")
    return Checkpoint(found[1], int(found[2]), b64decode(found[3]))
