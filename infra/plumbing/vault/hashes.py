"""Keyed hashes of identifiers: how a name is looked up without standing in the database. Pure.

Two keys, both derived from the master key: one for the look-up of customers, one for the list of
those whose events are set aside. Without the master key neither hash leads to a name or to the
other hash.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from events.identifiers import Identifier
    from infra.plumbing.vault.master import Master


_BLOCK = 64
"""Bytes of a block of SHA-256."""


class Mac:
    """HMAC-SHA-256 (RFC 2104) under one key, which is hashed once instead of for every message.

    `hmac.digest` looks the algorithm up anew for each message, which costs more than a short
    message's hashing.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """Prepare for `key`, at most one block long.

        Raises:
            ValueError: it is longer.
        """
        if len(key) > _BLOCK:
            raise ValueError("The key is longer than a block.")
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def of(self, message: bytes) -> bytes:
        """The 32 bytes that only a holder of the key can tell for `message`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Hashes:
    """The keyed hashes of one deployment; each is 32 bytes."""

    def __init__(self, master: Master) -> None:
        """Derive both keys from `master`."""
        self._lookup = Mac(master.derive("rapport identifiers 1"))
        self._list = Mac(master.derive("rapport suppression 1"))

    def lookup(self, identifier: Identifier) -> bytes:
        """HMAC-SHA-256 of a normalised identifier: its row in `vault.identifiers`."""
        return self._lookup.of(str(identifier).encode())

    def listed(self, lookup: bytes) -> bytes:
        """HMAC-SHA-256 of a `lookup`: its row in `vault.suppressed`.

        Made of the look-up, not of the name, so that an erasure need not open the names it removes.
        """
        return self._list.of(lookup)
