"""Ledger format 1, to the byte: headers, leaves and the growing edge of the RFC 6962 tree.

Pure. What is written here can never change for events already stored; a new format gets a new
first byte and stands beside this one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1
NO_LEAF = bytes(32)
"""The previous leaf of a stream's first event."""
MAX_TEXT_BYTES = 65_535

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_FIXED = struct.Struct(">B16sQ32s")
_LENGTH = struct.Struct(">H")
_TIMES = struct.Struct(">qq")


class FormatError(ValueError):
    """A value does not fit ledger format 1."""


@dataclass(frozen=True, slots=True)
class Header:
    """The part of an event that the leaf binds beside the body's digest. No personal data."""

    stream: UUID
    version: int
    previous_leaf: bytes
    source: str
    event_id: str
    type: str
    schema: str
    occurred_at: datetime
    recorded_at: datetime
    key_id: str


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an aware time."""
    return (moment - EPOCH) // MICROSECOND


def encode_text(value: str) -> bytes:
    """A header text: its length as unsigned 16 bit, then its UTF-8.

    Raises:
        FormatError: it does not fit.
    """
    encoded = value.encode()
    length = len(encoded)
    if length > MAX_TEXT_BYTES:
        raise FormatError(f"A header text has {length} bytes; at most {MAX_TEXT_BYTES} fit.")
    return length.to_bytes(2) + encoded


def join_header(  # noqa: PLR0913, PLR0917 - the parts of a header, in the order they stand in it
    stream: bytes,
    version: int,
    previous_leaf: bytes,
    names: bytes,
    occurred_at: int,
    recorded_at: int,
    key_id: bytes,
) -> bytes:
    """A header out of encoded parts: `names` are the four texts before the times (microseconds)."""
    fixed = _FIXED.pack(FORMAT, stream, version, previous_leaf)
    return fixed + names + _TIMES.pack(occurred_at, recorded_at) + key_id


def pack_header(header: Header) -> bytes:
    """The header as bytes, big-endian, texts length-prefixed (design: ledger format 1)."""
    texts = (header.source, header.event_id, header.type, header.schema)
    return join_header(
        header.stream.bytes,
        header.version,
        header.previous_leaf,
        b"".join(map(encode_text, texts)),
        microseconds(header.occurred_at),
        microseconds(header.recorded_at),
        encode_text(header.key_id),
    )


def unpack_header(packed: bytes) -> Header:
    """The header that `packed` holds.

    Raises:
        FormatError: another format, cut short, or bytes left over.
    """
    try:
        return _unpack(packed)
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise FormatError(f"These {len(packed)} bytes are no header of format 1.") from error


def _unpack(packed: bytes) -> Header:
    number, stream, version, previous = _FIXED.unpack_from(packed)
    if number != FORMAT:
        raise FormatError(f"The header says format {number}; this is a reader of format {FORMAT}.")
    at = _FIXED.size
    texts: list[str] = []
    times = (0, 0)
    for field in range(5):
        if field == 4:  # noqa: PLR2004 - the two times stand before the fifth text
            times = _TIMES.unpack_from(packed, at)
            at += _TIMES.size
        (length,) = _LENGTH.unpack_from(packed, at)
        at += _LENGTH.size
        if at + length > len(packed):
            raise FormatError(f"The header ends inside its text number {field + 1}.")
        texts.append(packed[at : at + length].decode())
        at += length
    if at != len(packed):
        raise FormatError(f"{len(packed) - at} bytes are left over behind the header.")
    source, event_id, event_type, schema, key_id = texts
    return Header(
        stream=UUID(bytes=stream),
        version=version,
        previous_leaf=previous,
        source=source,
        event_id=event_id,
        type=event_type,
        schema=schema,
        occurred_at=EPOCH + times[0] * MICROSECOND,
        recorded_at=EPOCH + times[1] * MICROSECOND,
        key_id=key_id,
    )


def leaf_hash(header: bytes, body_digest: bytes) -> bytes:
    """`SHA-256(0x00 || header || SHA-256(body))`: an RFC 6962 leaf over header and body digest."""
    return sha256(b"\x00" + header + body_digest).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """`SHA-256(0x01 || left || right)`: an inner node (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def event_key(source: str, event_id: str) -> bytes:
    """The narrow unique key of (source, event id): 16 bytes of a SHA-256 over both."""
    return key_of(encode_text(source) + encode_text(event_id))


def key_of(named: bytes) -> bytes:
    """The narrow unique key of an event whose encoded source and id are `named`."""
    return sha256(named).digest()[:16]


class Frontier:
    """The right edge of an RFC 6962 tree: the roots of its perfect subtrees, largest first.

    A tree of `size` leaves has one subtree for each set bit of `size`; adding a leaf hashes one
    node on average.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: bytes = b"") -> None:
        """Start from `size` leaves whose subtree roots are `peaks`, 32 bytes each, joined."""
        if len(peaks) != 32 * size.bit_count():
            raise FormatError(f"A tree of {size} leaves has {size.bit_count()} subtree roots.")
        self.size = size
        self._peaks = [peaks[at : at + 32] for at in range(0, len(peaks), 32)]

    def push(self, leaf: bytes) -> None:
        """Add one leaf on the right."""
        peaks = self._peaks
        size = self.size
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaves in order: level by level, which costs less than one after the other."""
        nodes, size, kept = list(leaves), self.size, list[bytes]()
        self.size += len(nodes)
        while nodes:
            if size & 1:
                nodes.insert(0, self._peaks.pop())
            if len(nodes) & 1:
                kept.append(nodes.pop())
            pairs = zip(nodes[::2], nodes[1::2], strict=True)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
            size >>= 1
        self._peaks.extend(reversed(kept))

    def packed(self) -> bytes:
        """The subtree roots joined, as the head row keeps them."""
        return b"".join(self._peaks)

    def root(self) -> bytes:
        """The tree's root hash; SHA-256 of nothing for the empty tree (RFC 6962)."""
        if not self._peaks:
            return sha256(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root
