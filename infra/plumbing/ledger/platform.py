"""What the platform did to the log as a whole, as events of a stream of their own.

That stream (`events.facts.PLATFORM`) is no customer's: read models pass it over.
"""

from __future__ import annotations

import getpass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson

from events.facts import PLATFORM
from events.times import format_time
from infra.plumbing.ledger.answers import NewEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SOURCE: Final = "rapport/platform"
"""Not `rapport` alone: that is what the library's own Application saves under (decision 0036)."""
SCHEMA: Final = "1-0-0"


def platform_event(kind: str, event_id: str, at: datetime, data: Mapping[str, Any]) -> NewEvent:
    """An event of the platform's own stream, ready to be appended. Nothing in it is sealed."""
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "time": format_time(at),
        "subject": f"customer:{PLATFORM}",
        "data": data,
    }
    written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return NewEvent(
        stream=PLATFORM,
        source=SOURCE,
        event_id=event_id,
        type=kind,
        schema=SCHEMA,
        occurred_at=at,
        body=written,
        content_mac=sha256(written).digest(),
    )


def machine_user() -> str:
    """Who types, as the machine knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
