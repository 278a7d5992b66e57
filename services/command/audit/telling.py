"""Who read a customer's history is told in that history, before anything is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import structlog

from events.times import format_time
from infra.plumbing.ledger.answers import Stored
from services.command.intake import Accepted, judge
from services.command.strict_json import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from events.catalog import Catalog
    from infra.plumbing.access import Principal
    from services.command.record import Answer

SOURCE: Final = "rapport/audit"
READ: Final = "audit.read"
_LOG = structlog.get_logger(__name__)


class Unspeakable(Exception):
    """What is to be told breaks the schema of `audit.read`."""


def tell_read(
    record: Callable[[Sequence[Accepted]], list[Answer]],
    catalog: Catalog,
    now: datetime,
    stream: UUID,
    read: Mapping[str, Any],
) -> bool:
    """Record `read` in the stream it was of. False if that stream takes no more events.

    Raises:
        Unspeakable: `read` cannot be recorded.
    """
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
    [answer] = record([judged])
    if not isinstance(answer, Stored):
        _LOG.warning("read_of_a_closed_stream", kind=read["what"])
    return isinstance(answer, Stored)


def reader(who: Principal, *, opened: bool) -> dict[str, Any]:
    """Who read, and whether personal values were asked for."""
    return {"reader": who.role, "key": who.key_id, "opened": opened}
