"""The earlier checkpoints in an export: notes of five lines, one behind the other. Pure.

    rapport/<deployment id>
    <size>
    <root hash in base64>

    — rapport/<deployment id> <signature>
    rapport/<deployment id>
    ...

As the signer signed them: no extension lines, one signature each. All are of the export's log and
of fewer events than its last checkpoint, the shortest first. What the entries must be is checked
at each of their sizes, so a fault is narrowed to between two of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.plumbing.ledger.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from infra.plumbing.ledger.note import MOST_NOTE_BYTES, NoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.plumbing.ledger.note import VerifierKey

MOST_BYTES = MOST_NOTE_BYTES
MOST_NOTES = 1_000
"""So many an export carries: about 250 KB, and two seconds for the pure Python of verify.py."""
_NOTE = re.compile(rb"(?:.*\n){5}|(?s:.+)")


class ChainFalse(ValueError):
    """The file holds something else than earlier checkpoints of the log; the words say what."""


def read_chain(text: bytes, own: Checkpoint, keys: Sequence[VerifierKey]) -> list[Checkpoint]:
    """The checkpoints in `text`, each signed by one of `keys` if there are any.

    Raises:
        ChainFalse: one is malformed, not signed, of another log, or out of order.
    """
    try:
        found = [
            open_checkpoint(note, keys) if keys else read_checkpoint(note)
            for note in _NOTE.findall(text)
        ]
    except NoteError as error:
        raise ChainFalse(str(error)) from None
    sizes = [*(each.size for each in found), own.size]
    if any(each.origin != own.origin for each in found) or sizes != sorted(set(sizes)):
        raise ChainFalse("they are not this log's earlier ones, the shortest log first")
    return found
