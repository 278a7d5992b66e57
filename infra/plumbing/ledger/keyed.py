"""An event with everything that can be computed of it alone: hashes and encoded header parts."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from infra.plumbing.ledger.format import FormatError, encode_text, key_of, microseconds

if TYPE_CHECKING:
    from infra.plumbing.ledger.answers import NewEvent

MAC_BYTES = 32


class Keyed:
    """One new event, hashed and encoded as far as it depends on itself alone.

    `key` is the narrow unique key of (source, event id), 16 bytes; `digest` the body's SHA-256;
    `names`, `event_id` and `key_id` are the header's texts, length-prefixed; `occurred_at` is in
    microseconds since 1970.
    """

    __slots__ = (
        "digest",
        "event",
        "event_id",
        "key",
        "key_id",
        "names",
        "occurred_at",
        "stream",
    )

    def __init__(self, event: NewEvent) -> None:
        """Hash and encode.

        Raises:
            FormatError: a text is too long for a header, or the content MAC is not 32 bytes.
        """
        if len(event.content_mac) != MAC_BYTES:
            raise FormatError(f"A content MAC of {len(event.content_mac)} bytes is none of ours.")
        self.event_id = encode_text(event.event_id)
        named = _prefixed(event.source) + self.event_id
        self.event = event
        self.key = key_of(named)
        self.names = named + _kind(event.type, event.schema)
        self.key_id = encode_text(event.key_id)
        self.digest = sha256(event.body).digest()
        self.occurred_at = microseconds(event.occurred_at)
        self.stream = event.stream.bytes


@lru_cache(maxsize=4096)
def _prefixed(text: str) -> bytes:
    """A text that many events share, as the header writes it."""
    return encode_text(text)


@lru_cache(maxsize=4096)
def _kind(type_: str, schema: str) -> bytes:
    """Type and schema, as the header writes them one behind the other."""
    return encode_text(type_) + encode_text(schema)
