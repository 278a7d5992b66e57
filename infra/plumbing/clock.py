"""The door for time. Whoever needs to know what time it is takes a `Clock` as an argument.

Pure code never reads a clock. `recorded_at` is the database's own time, never this one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, aware and in UTC."""


def system_clock() -> datetime:
    """Return the machine's present time, aware and in UTC."""
    return datetime.now(UTC)
