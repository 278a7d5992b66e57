"""The time a figure is for, as an emitter writes it, into a first and a last day.

Calendar: `2011`, `2011-Q4`, `2011-11`, or two dates `2011-01-01/2011-12-31`. Or a span that ends
with the day of the event: `week`, `month`, `quarter`, `year`, or `P90D`, `P6W`, `P3M`, `P1Y`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from events.errors import BadPeriod
from events.times import MONTHS, day_words

_SPANS: Final = {"week": "P1W", "month": "P1M", "quarter": "P3M", "year": "P1Y"}
_SPAN: Final = re.compile(r"P([1-9]\d{0,3})([DWMY])", re.ASCII)
_UNITS: Final = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_ANY_DAY: Final = date(2000, 3, 1)
_DAYS: Final = {"D": 1, "W": 7}
_MONTHS: Final = {"M": 1, "Y": 12}
_CALENDAR: Final = re.compile(r"(\d{4})(?:-Q([1-4])|-(0[1-9]|1[0-2]))?", re.ASCII)
_DATES: Final = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})", re.ASCII)
_CURE: Final = (
    "Send 2011, 2011-Q4, 2011-11, 2011-01-01/2011-12-31, or a span that ends with the event: "
    "week, month, quarter, year, P90D, P3M."
)
_YEAR_MONTHS: Final = 12
_QUARTER_MONTHS: Final = 3


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has; at least one."""
        return (self.last - self.first).days + 1


def parse_period(text: object, stated_on: date) -> Period:
    """Read a period; `stated_on` (the event's day) is where a bare span ends.

    Raises BadPeriod for any other text and for a period that ends before it begins.
    """
    if not isinstance(text, str):
        raise BadPeriod("The period is not text.", _CURE)
    try:
        period = _span(text, stated_on) or _calendar(text) or _dates(text)
    except (ValueError, OverflowError) as wrong:
        raise BadPeriod("The period holds a day that does not exist.", _CURE) from wrong
    if period is None:
        raise BadPeriod("The period is in no form known here.", _CURE)
    if period.last < period.first:
        raise BadPeriod("The period ends before it begins.", "Send the earlier date first.")
    return period


def period_words(text: object) -> str:
    """Say a period for a reader: `Q4 2011`, `November 2011`, `90 days`, or its first and last day.

    Raises BadPeriod for a text that is none.
    """
    period = parse_period(text, _ANY_DAY)
    written = str(text)
    if span := _SPAN.fullmatch(_SPANS.get(written, written)):
        number, unit = int(span[1]), _UNITS[span[2]]
        return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"
    if calendar := _CALENDAR.fullmatch(written):
        year, quarter, month = calendar.groups()
        part = f"Q{quarter} " if quarter else f"{MONTHS[int(month) - 1]} " if month else ""
        return f"{part}{year}"
    return f"{day_words(period.first)} to {day_words(period.last)}"


def _span(text: str, last: date) -> Period | None:
    found = _SPAN.fullmatch(_SPANS.get(text, text))
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    if unit in _DAYS:
        return Period(last - timedelta(days=number * _DAYS[unit] - 1), last)
    return Period(_months_before(last, number * _MONTHS[unit]) + timedelta(days=1), last)


def _calendar(text: str) -> Period | None:
    found = _CALENDAR.fullmatch(text)
    if found is None:
        return None
    year, quarter, month = int(found[1]), found[2], found[3]
    if quarter:
        last_month = int(quarter) * _QUARTER_MONTHS
        return _months(year, last_month - _QUARTER_MONTHS + 1, last_month)
    if month:
        return _months(year, int(month), int(month))
    return _months(year, 1, _YEAR_MONTHS)


def _dates(text: str) -> Period | None:
    found = _DATES.fullmatch(text)
    if found is None:
        return None
    return Period(date.fromisoformat(found[1]), date.fromisoformat(found[2]))


def _months(year: int, first: int, last: int) -> Period:
    return Period(date(year, first, 1), date(year, last, monthrange(year, last)[1]))


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    year, month = divmod(day.year * _YEAR_MONTHS + day.month - 1 - months, _YEAR_MONTHS)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
