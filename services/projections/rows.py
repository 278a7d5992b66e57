"""What the worker itself writes into every read model's rows. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

STATE_COLUMNS = ("stream", "position", "last_occurred_at", "state")
"""What the worker itself writes into a state row; the model's typed columns follow."""
ROW_COLUMNS = ("stream", "position", "occurred_at", "recorded_at")
"""What the worker itself writes into a row per event."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """One customer's folded state as it stands in the table.

    `position`: folded through it. `last_occurred_at`: of the latest fact folded in.
    """

    stream: UUID
    position: int
    last_occurred_at: datetime
    state: Any
