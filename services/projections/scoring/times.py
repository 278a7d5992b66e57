"""Instants as seconds since 1970 in UTC, the unit every fold counts in. There is no clock here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY = 86_400.0
HOUR = 3_600.0


FURTHEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""Nothing is due later than this: a calendar ends."""


def instant(seconds: float) -> datetime:
    """The aware time of `seconds`, to the microsecond, up to the last day of the calendar."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(seconds, FURTHEST))


def day_of(seconds: float) -> int:
    """The UTC day of an instant, counted from 1970-01-01."""
    return int(seconds // DAY)


def read_instant(text: object) -> float | None:
    """The instant a time field of an event names, or None if it names none (no offset, no time)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def in_words(seconds: float) -> str:
    """The UTC day of an instant as people write it: `9 December 2011`."""
    moment = instant(seconds)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
