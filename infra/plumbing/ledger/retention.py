"""Drops the bodies of events past their retention, part by part, and says what it did.

The work is done by the database's own procedure `ledger.drop_bodies`, which only the database's
owner may call and which writes a row for each customer into `ledger.removals` first. Header, digest
and leaf stay, so every proof still verifies. Each part is a transaction: a run that was broken off
is simply done again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg import Connection

    from events.retention import Cutoff

REASON = "retention"
PART = 10_000
"""Positions looked at in one transaction."""
_SQL = Queries.beside("infra.plumbing.ledger", "retention.sql")


@dataclass(slots=True)
class Progress:
    """How far a run is: `looked` of `size` positions, what was past its time, by event type."""

    size: int
    looked: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    bytes: Counter[str] = field(default_factory=Counter[str])
    dropped: int = 0


def sweep(
    connection: Connection[Any], cutoffs: Sequence[Cutoff], *, drop: bool, part: int = PART
) -> Generator[Progress]:
    """Go through the log once and yield the same progress after each part.

    `drop`: empty the bodies found; else only count them. `connection` (autocommit) must be the
    owner's to drop; to count, whoever may read the ledger. What is recorded meanwhile is left for
    the next run.

    Raises:
        psycopg.errors.InsufficientPrivilege: this user may not drop; nothing was changed.
    """
    past = {
        "types": [cutoff.type for cutoff in cutoffs],
        "schemas": [cutoff.schema for cutoff in cutoffs],
        "before": [cutoff.before for cutoff in cutoffs],
        "reason": REASON,
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
                if drop:
                    [(dropped,)] = cursor.execute(_SQL["drop"], {**past, **window})
                    progress.dropped += dropped
            progress.looked = window["up_to"]
            yield progress
