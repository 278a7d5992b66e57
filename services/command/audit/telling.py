"""Who read a customer's history is told in that history, before anything is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import structlog

from events.times import format_time
from infra.plumbing.ledger.answers import Stored
from infra.plumbing.ledger.platform import platform_event
from services.command.intake import Accepted, judge
from services.command.strict_json import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from events.catalog import Catalog
    from infra.plumbing.access import Principal
    from infra.plumbing.ledger.ledger import Ledger
    from services.command.record import Recorder

SOURCE: Final = "rapport/audit"
READ: Final = "audit.read"
_LOG = structlog.get_logger(__name__)


class Unspeakable(Exception):
    """What is to be told breaks the schema of `audit.read`."""


def tell_read(
    recorder: Recorder, catalog: Catalog, now: datetime, stream: UUID, read: Mapping[str, Any]
) -> bool:
    """Record `read` in the stream it was of. False if no personal value may be shown for it.

    So it is of an erased customer: there is no key to open anything with, nor to seal a purpose
    with, so the event behind the fence says who read and when, and no more.

    Raises:
        Unspeakable: `read` cannot be recorded.
    """
    [answer] = recorder.record([_judged(catalog, now, stream, read)])
    if isinstance(answer, Stored):
        return True
    plain = {name: value for name, value in read.items() if name != "purpose"}
    closed = _judged(catalog, now, stream, {**plain, "opened": False})
    if not recorder.record_behind_fence(closed, stream):
        _LOG.warning("read_of_a_closed_stream", kind=read["what"])
    return False


def tell_own_read(ledger: Ledger, now: datetime, what: str, who: Principal) -> None:
    """Record that somebody read the platform's own stream, in it: once a key, kind and UTC day.

    Each read shown again as an event to be read would have no end (decision 41).
    """
    event_id = f"read/{what}/{who.key_id}/{now:%Y-%m-%d}"
    told = {"what": what, **reader(who, opened=False)}
    ledger.append([platform_event(READ, event_id, now, told)])


def _judged(catalog: Catalog, now: datetime, stream: UUID, read: Mapping[str, Any]) -> Accepted:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": SOURCE,
        "type": READ,
        "time": format_time(now),
        "subject": f"customer:{stream}",
        "data": read,
    }
    judged = judge(event, write_json(event), catalog)
    if not isinstance(judged, Accepted):
        raise Unspeakable
    return judged


def reader(who: Principal, *, opened: bool) -> dict[str, Any]:
    """Who read, and whether personal values were asked for."""
    return {"reader": who.role, "key": who.key_id, "opened": opened}
