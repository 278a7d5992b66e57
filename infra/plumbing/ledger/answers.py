"""What goes into an append and what comes out. Values only."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class NewEvent(NamedTuple):
    """One event ready to be appended.

    `body` is stored and hashed as these very bytes. `content_mac` (32 bytes) tells a repeat from
    a conflict. `key_id` names the stream's own key, empty where nothing is sealed under it.
    `expected_version`: refuse unless the stream's last version is this one (None: any).
    """

    stream: UUID
    source: str
    event_id: str
    type: str
    schema: str
    occurred_at: datetime
    body: bytes
    content_mac: bytes
    key_id: str = ""
    sent_at: datetime | None = None
    expected_version: int | None = None


class Receipt(NamedTuple):
    """Where an event stands, for ever: its stream and version, its position, its 32-byte leaf."""

    stream: UUID
    version: int
    position: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """Durable now, by this call."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same event was stored before; this is its first receipt."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Conflict:
    """The same source and id were stored before with another content; nothing was written."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Fenced:
    """The customer's key is gone or going: the event was not stored."""

    stream: UUID


class Known(NamedTuple):
    """What is remembered of a stored event: where it stands and what tells a repeat of it.

    `content_mac` is None once it was erased: type and time are then all that is left to compare,
    where they were looked up. `digest` is the SHA-256 of the stored body.
    """

    receipt: Receipt
    content_mac: bytes | None
    digest: bytes
    what: tuple[str, datetime] | None = None
    """Its type, and when it happened."""

    def against(
        self, content_mac: bytes, what: tuple[str, datetime] | None = None
    ) -> Duplicate | Conflict:
        """The answer to an event that comes under the same source and id."""
        if self.content_mac is None:
            same = what is None or self.what in {None, what}
        else:
            same = hmac.compare_digest(self.content_mac, content_mac)
        return Duplicate(self.receipt) if same else Conflict(self.receipt)


Outcome = Stored | Duplicate | Conflict | Fenced
