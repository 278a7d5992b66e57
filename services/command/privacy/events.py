"""The platform's own events about a customer's privacy, ready to be appended. Values only.

Nothing personal is in them, so nothing is sealed.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson

from events.times import format_time
from infra.plumbing.ledger.answers import NewEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

SOURCE: Final = "rapport/privacy"
ERASED: Final = "customer.erased"
SUPPRESSION: Final = "suppression.set"
SCHEMA: Final = "1-0-0"


def erased(
    stream: UUID, request: UUID, at: datetime, counts: Mapping[str, int], mac_key: bytes
) -> NewEvent:
    """The last event of `stream`; `counts` by store, as the steps of the erasure told them."""
    data = {
        "request_id": str(request),
        "keys_destroyed": counts.get("vault.keys", 0),
        "identifiers_removed": counts.get("vault.identifiers", 0),
        "content_macs_removed": counts.get("ledger.events.content_mac", 0),
        "quarantined_removed": counts.get("ops.quarantine", 0)
        + counts.get("withheld in ops.quarantine", 0),
        "proposals_removed": counts.get("outbox.proposals", 0),
    }
    return _event(stream, f"{request}/erased", ERASED, at, data, mac_key)


def suppression(
    stream: UUID, request: UUID, at: datetime, mac_key: bytes, *, in_force: bool
) -> NewEvent:
    """From here on `stream` is not recorded, or is again."""
    data = {"request_id": str(request), "in_force": in_force}
    return _event(stream, f"{request}/suppression/{stream}", SUPPRESSION, at, data, mac_key)


def _event(  # noqa: PLR0913, PLR0917 - the parts of an event, in the order they stand in it
    stream: UUID, event_id: str, kind: str, at: datetime, data: Mapping[str, Any], mac_key: bytes
) -> NewEvent:
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "time": format_time(at),
        "subject": f"customer:{stream}",
        "data": data,
    }
    written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return NewEvent(
        stream=stream,
        source=SOURCE,
        event_id=event_id,
        type=kind,
        schema=SCHEMA,
        occurred_at=at,
        body=written,
        content_mac=hmac.digest(mac_key, written, sha256),
    )
