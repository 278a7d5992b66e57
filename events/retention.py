"""How long an event's words are kept. One class per event type, named in its schema.

Retention ends a body's life, never a leaf's: the digest stays, so proofs still verify.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """`keep_days` counts from `occurred_at`; None: as long as the customer is one."""

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
        RetentionClass("operation", 3 * _YEAR, "What the platform itself did, for its audit."),
    )
}
