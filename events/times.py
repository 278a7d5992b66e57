"""Instants as text and back: RFC 3339 with an offset, and nothing else.

A time without an offset, an epoch number or a date alone is refused rather than guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from events.errors import BadTime

MAX_FRACTION_DIGITS: Final = 9
MONTHS: Final = (
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
_OFFSET: Final = r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_CLOCK: Final = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}"
_RFC3339: Final = re.compile(rf"{_CLOCK}(?:\.\d{{1,{MAX_FRACTION_DIGITS}}})?{_OFFSET}", re.ASCII)
_NAIVE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?", re.ASCII)
_EPOCH: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_SPACED: Final = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}.*", re.ASCII | re.DOTALL)
_SECONDS: Final = slice(17, 19)
_CURE: Final = "Send RFC 3339 with an offset, for example 2026-03-01T09:30:00Z."


def parse_time(text: object) -> datetime:
    """Read an RFC 3339 text with offset; the answer is aware and in UTC, to the microsecond.

    Up to nine digits of a second are read, those after the sixth are dropped (the event's body
    keeps its text). Raises BadTime for anything else: numbers, naive times, leap seconds.
    """
    if not isinstance(text, str):
        raise _not_text(text)
    if _RFC3339.fullmatch(text) is None:
        raise _not_rfc3339(text)
    try:
        found = datetime.fromisoformat(text.upper())
        return found if found.tzinfo is UTC else found.astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        if text[_SECONDS] == "60":
            cure = "Send the second before or after it: clocks here have no leap seconds."
            raise BadTime("The time is a leap second.", cure) from wrong
        cure = "Check year, month, day and hour; years 0001 to 9999 exist."
        raise BadTime("The time is written correctly but does not exist.", cure) from wrong


def format_time(instant: datetime) -> str:
    """Write an aware instant in UTC with `Z`; a fraction appears only if there is one.

    Raises BadTime for a naive datetime.
    """
    if instant.tzinfo is None:
        raise BadTime("The time has no offset.", "Give an aware datetime.")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_words(day: date) -> str:
    """Say a day (of a datetime: in its own offset) for a reader: `1 March 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _not_text(value: object) -> BadTime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return BadTime("The time is a number: epoch times are refused.", _CURE)
    return BadTime("The time is not text.", _CURE)


def _not_rfc3339(text: str) -> BadTime:
    if _EPOCH.fullmatch(text):
        return BadTime("The time is an epoch number in quotes: epoch times are refused.", _CURE)
    if _NAIVE.fullmatch(text):
        cure = "Add the clock time's offset: Z for UTC, or +01:00, as in 2026-03-01T09:30:00Z."
        return BadTime("The time has no offset, so the instant is not known.", cure)
    if _SPACED.fullmatch(text):
        return BadTime("The date and the clock are parted by a space.", f"Put a T there. {_CURE}")
    return BadTime("The time is not RFC 3339.", _CURE)
