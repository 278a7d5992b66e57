"""Where a personal value could be read, and in which forms one might be written.

A canary is a word that stands in every personal value an emitter sends. It is looked for as it is,
in base64 at any alignment, in hexadecimal, in UTF-16 and as its SHA-256.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ALIGNMENTS = 3


def written_forms(canary: str) -> Mapping[str, bytes]:
    """Each form's name and the bytes to look for."""
    plain = canary.encode()
    digest = sha256(plain).digest()
    return {
        "plain text": plain,
        "hexadecimal": plain.hex().encode(),
        "UTF-16": canary.encode("utf-16-le"),
        "UTF-16 big-endian": canary.encode("utf-16-be"),
        "SHA-256": digest,
        "SHA-256 in hexadecimal": digest.hex().encode(),
        **{f"base64 at {shift}": _base64(plain, shift) for shift in range(ALIGNMENTS)},
    }


def hiding_places(logs: Sequence[Path], folder: Path | None) -> Iterator[Path]:
    """Every file in which a value could be found: logs, and all of the data folder."""
    yield from logs
    if folder is not None:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _base64(plain: bytes, shift: int) -> bytes:
    """What is common to the base64 of every text in which `plain` stands `shift` bytes in."""
    whole = b64encode(bytes(shift) + plain)
    begin = -(-8 * shift // 6)
    end = (8 * (shift + len(plain))) // 6
    return whole[begin:end]
