"""Drops the bodies of events past their retention, part by part, and says what it did.

The work is done by the database's own procedure `ledger.drop_bodies`, which only the database's
owner may call and which writes a row for each customer into `ledger.removals` first. Header, digest
and leaf stay, so every proof still verifies. A body that does not fit its leaf is not dropped: the
digest it left behind would stand in the true one's place for good. Each part is a transaction: a
run that was broken off is simply done again.

Each order is an event of the log too (`retention.applied`), appended when its parts are done: who
may drop may not append. If that does not come to pass, the next run makes up for it, from
`ledger.removals`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from psycopg.rows import tuple_row

from events.facts import PLATFORM
from events.times import format_time
from infra.plumbing.ledger.format import NO_LEAF, FormatError, leaf_hash
from infra.plumbing.ledger.platform import platform_event
from infra.plumbing.ledger.recount import digest_of, header_of
from infra.plumbing.ledger.scan import CHUNK, Entry, load_plainly
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from psycopg import Connection

    from events.retention import Cutoff
    from infra.plumbing.ledger.ledger import Ledger

REASON = "retention"
APPLIED = "retention.applied"
PART = 10_000
"""Positions looked at in one transaction."""
_SQL = Queries.beside("infra.plumbing.ledger", "retention.sql")


@dataclass(slots=True)
class Progress:
    """How far a run is: `looked` of `size` positions, what was past its time, by event type.

    `refused` are the positions past their time whose body does not fit its leaf: they stay.
    """

    size: int
    looked: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    bytes: Counter[str] = field(default_factory=Counter[str])
    dropped: int = 0
    refused: list[int] = field(default_factory=list[int])


def sweep(
    connection: Connection[Any],
    cutoffs: Sequence[Cutoff],
    *,
    drop: bool,
    part: int = PART,
    order: str = REASON,
) -> Generator[Progress]:
    """Go through the log once and yield the same progress after each part.

    `drop`: empty the bodies found that fit their leaf; else only count and check them.
    `connection` (autocommit) must be the owner's to drop; to count, whoever may read the ledger.
    `order` is kept with what is taken. What is recorded meanwhile is left for the next run.

    Raises:
        psycopg.errors.InsufficientPrivilege: this user may not drop; nothing was changed.
    """
    past = {
        "types": [cutoff.type for cutoff in cutoffs],
        "schemas": [cutoff.schema for cutoff in cutoffs],
        "before": [cutoff.before for cutoff in cutoffs],
        "reason": order,
    }
    with connection.cursor(row_factory=tuple_row) as cursor:
        [(size,)] = cursor.execute(_SQL["size"])
        progress = Progress(size)
        while progress.looked < size:
            window = {"above": progress.looked, "up_to": min(progress.looked + part, size)}
            with connection.transaction():
                for kind, count, octets in cursor.execute(_SQL["due"], {**past, **window}):
                    progress.events[kind] += count
                    progress.bytes[kind] += octets
                refused = _unfit(connection, {**past, **window})
                for span in _between(refused, **window) if drop else ():
                    [(dropped,)] = cursor.execute(_SQL["drop"], {**past, **span})
                    progress.dropped += dropped
            progress.refused += refused
            progress.looked = window["up_to"]
            yield progress


def _unfit(connection: Connection[Any], part: dict[str, Any]) -> list[int]:
    """The positions in this part of the log whose body is past its time and not what was hashed."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        load_plainly(cursor)
        rows = cast("Generator[Any]", cursor.stream(_SQL["bodies"], part, size=CHUNK))
        with closing(rows):
            entries = ((Entry._make(row), before or NO_LEAF) for *row, before in rows)
            return [entry.position for entry, before in entries if not _fits(entry, before)]


def _fits(entry: Entry, previous_leaf: bytes) -> bool:
    if cast("bytes | None", entry.stream) is None:  # somebody took the stream away
        return False
    try:
        return leaf_hash(header_of(entry, previous_leaf), digest_of(entry)) == entry.leaf
    except FormatError:  # a text that no header can hold
        return False


def _between(refused: Sequence[int], above: int, up_to: int) -> Generator[dict[str, int]]:
    """The parts of a part that leave out the positions `refused`, which ascend."""
    for position in refused:
        if above < position - 1:
            yield {"above": above, "up_to": position - 1}
        above = position
    if above < up_to:
        yield {"above": above, "up_to": up_to}


def record_orders(
    connection: Connection[Any], ledger: Ledger, cutoffs: Sequence[Cutoff], at: datetime
) -> int:
    """Append an event for each order whose removals no event tells of; how many.

    Raises:
        LedgerBusy: not reachable or not lockable in time; the next run records them.
    """
    told = (fact.data for fact in ledger.history(PLATFORM) if fact.type == APPLIED)
    last = max((data.get("last_removal", 0) for data in told), default=0)
    known = {cutoff.type: cutoff for cutoff in cutoffs}
    orders: dict[str, dict[str, Any]] = {}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_SQL["untold"], {"last": last}).fetchall()
    for order, kind, count, first_position, last_position, removal in rows:
        data = orders.setdefault(order, {"order": order, "bodies": 0, "types": []})
        each = {"type": kind, "class": "", "count": count}
        if kind in known:
            each |= {"class": known[kind].retention, "before": format_time(known[kind].before)}
        data["types"].append(each)
        data["bodies"] += count
        data["first_position"] = min(first_position, data.get("first_position", first_position))
        data["last_position"] = max(last_position, data.get("last_position", last_position))
        data["last_removal"] = max(removal, data.get("last_removal", removal))
    events = [
        platform_event(APPLIED, f"retention/{data['last_removal']}", at, data)
        for data in orders.values()
    ]
    if events:
        ledger.append(events)
    return len(events)
