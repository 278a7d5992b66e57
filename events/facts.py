"""What a fold sees of an event: plain values, no envelope, no store.

A fact has happened. Folding never refuses one, and a fold that does not know its type leaves the
state as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SIMULATED_SOURCE = "simulator/"
"""Every source that begins so is made up; pages and exports must say it."""

PLATFORM: Final = UUID("72617070-6f72-8000-8000-000000000001")
"""The stream of what the platform did to the log as a whole. No customer: theirs are version 4."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One recorded event of one customer.

    `position` is its dense place in the whole ledger (1, 2, 3 ...), `version` its dense place in
    the customer's stream. `occurred_at` is the emitter's time, `recorded_at` the database's; both
    are aware and in UTC. Personal values in `data` are still sealed: `{"key", "sealed"}`. A fact
    whose retention is over has no `data` left: it happened, and nothing more is known of it.
    """

    position: int
    stream: UUID
    version: int
    source: str
    event_id: str
    type: str
    schema: str
    occurred_at: datetime
    recorded_at: datetime
    data: Mapping[str, Any]

    @property
    def simulated(self) -> bool:
        """True if a simulator made this fact up."""
        return self.source.startswith(SIMULATED_SOURCE)

    @property
    def order(self) -> tuple[datetime, int]:
        """Sort key in which an order-sensitive fold reads a customer's history."""
        return (self.occurred_at, self.position)
