"""Keyed hashes of identifiers: how a name is looked up without standing in the database. Pure.

Two keys, both derived from the master key: one for the look-up of customers, one for the list of
those whose events are set aside. Without the master key neither hash leads to a name or to the
other hash.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from events.identifiers import Identifier
    from infra.plumbing.vault.master import Master


class Hashes:
    """The keyed hashes of one deployment; each is 32 bytes."""

    def __init__(self, master: Master) -> None:
        """Derive both keys from `master`."""
        self._lookup_key = master.derive("rapport identifiers 1")
        self._list_key = master.derive("rapport suppression 1")

    def lookup(self, identifier: Identifier) -> bytes:
        """HMAC-SHA-256 of a normalised identifier: its row in `vault.identifiers`."""
        return hmac.digest(self._lookup_key, str(identifier).encode(), sha256)

    def listed(self, lookup: bytes) -> bytes:
        """HMAC-SHA-256 of a `lookup`: its row in `vault.suppressed`.

        Made of the look-up, not of the name, so that an erasure need not open the names it removes.
        """
        return hmac.digest(self._list_key, lookup, sha256)
