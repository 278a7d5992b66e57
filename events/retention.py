"""How long an event's words are kept. One class per event type, named in its schema.

Retention ends a body's life, never a leaf's: the digest stays, so proofs still verify. Which types
are past it is said here; taking a body away is the ledger's work. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from events.catalog import EventType

_YEAR: Final = 366
"""Days. Nothing goes before its time is over by the calendar; some go a few days after it."""


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """`keep_days` counts from `occurred_at`; None: never over."""

    name: str
    keep_days: int | None
    why: str


RETENTION: Final = {
    each.name: each
    for each in (
        RetentionClass("accounting", 10 * _YEAR, "Trade and tax law ask for records of sales."),
        RetentionClass("relationship", None, "What both sides gave and promised is the relation."),
        RetentionClass("conversation", 3 * _YEAR, "What was said serves service and its disputes."),
        RetentionClass("marketing", 2 * _YEAR, "Campaign contacts matter while they have effect."),
        RetentionClass(
            "evidence", None, "What was taken out of the log must be told as long as it."
        ),
        RetentionClass("operation", 3 * _YEAR, "What the platform itself did, for its audit."),
    )
}


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Events of this type and schema version that happened before `before` are past their class."""

    type: str
    schema: str
    retention: str
    before: datetime


def cutoffs(types: Iterable[EventType], now: datetime) -> list[Cutoff]:
    """What is past its retention at `now`, one entry for each type that is not kept for ever.

    A type or version that is in no catalog any more has no entry: nobody can say how long it is
    to be kept.
    """
    return [
        Cutoff(kind.type, kind.version, kind.retention, now - timedelta(days=days))
        for kind in types
        if (days := RETENTION[kind.retention].keep_days) is not None
    ]
