"""The lines of an export, one event each, and its manifest, as they are written. Pure.

    {"position":1,"header":"<base64>","body":"<base64>","leaf":"<base64>"}
    {"position":2,"header":"<base64>","body_digest":"<base64>","leaf":"<base64>"}

Exactly these bytes, a newline behind each: a line that could be written in another way is refused.
What a line says by itself is checked in `lines.py`; about its neighbours, in `verifying.py`.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from dataclasses import dataclass
from hashlib import sha256

from infra.plumbing.ledger.format import FORMAT
from infra.plumbing.ledger.lines import BODY, DIGEST, LEAF

ENTRIES, CHECKPOINT, MANIFEST = "entries.ndjson", "checkpoint", "manifest.json"
"""The files of an export."""
CHAIN = "checkpoints"
"""The earlier checkpoints (`chain.py`); an export without any has no such file."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an export holds: events, those whose body is there, streams."""

    events: int
    bodies: int
    streams: int


def write_line(position: int, header: bytes, content: bytes, leaf: bytes, *, whole: bool) -> bytes:
    """One line; `content` is the body, or its digest where the body was dropped (not `whole`)."""
    return b"".join(
        (
            b'{"position":%d,"header":"' % position,
            b2a_base64(header, newline=False),
            BODY if whole else DIGEST,
            b2a_base64(content, newline=False),
            LEAF,
            b2a_base64(leaf, newline=False),
            b'"}\n',
        )
    )


def manifest(
    origin: str, counts: Counts, note: bytes, entries_digest: bytes, chain: bytes | None = None
) -> bytes:
    """`manifest.json` as it must be: counts, and SHA-256 in hexadecimal of the other files.

    `chain` is the file of earlier checkpoints; None: there is none.
    """
    earlier = {} if chain is None else {CHAIN: sha256(chain).hexdigest()}
    told = {
        "format": FORMAT,
        "origin": origin,
        "events": counts.events,
        "bodies": counts.bodies,
        "streams": counts.streams,
        "sha256": {
            CHECKPOINT: sha256(note).hexdigest(),
            **earlier,
            ENTRIES: entries_digest.hex(),
        },
    }
    return f"{json.dumps(told, indent=2, ensure_ascii=False)}\n".encode()
