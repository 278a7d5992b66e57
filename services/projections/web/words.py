"""Figures, times and names as a person reads them. Pure: values in, text out.

Every figure leaves here with its unit. A minus is a real minus sign, a missing figure is a word,
never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

MINUS = "\N{MINUS SIGN}"
SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$"}
DAYS_READ_AS_DAYS = 60
DAYS_PER_MONTH = 30.44
DAYS_READ_AS_MONTHS = 730


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: for parts an answer may lack."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def decimal_or_none(value: object) -> Decimal | None:
    """A figure from an answer (decimal string, number or None), exact; None for what is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        figure = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None


def instant_or_none(value: object) -> datetime | None:
    """A time from an answer (RFC 3339 text, aware datetime or None) in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def day(value: object) -> str:
    """`9 December 2011`, in UTC."""
    when = instant_or_none(value)
    return "no date" if when is None else f"{when.day} {when:%B %Y}"


def short_day(value: object) -> str:
    """`9 Dec 2011`, in UTC."""
    when = instant_or_none(value)
    return "no date" if when is None else f"{when.day} {when:%b %Y}"


def clock(value: object) -> str:
    """`12:50 UTC`."""
    when = instant_or_none(value)
    return "" if when is None else f"{when:%H:%M} UTC"


def instant(value: object) -> str:
    """`9 December 2011, 12:50 UTC`."""
    when = instant_or_none(value)
    return "no date" if when is None else f"{day(when)}, {clock(when)}"


def machine_time(value: object) -> str:
    """The same instant for a `<time datetime>` attribute."""
    when = instant_or_none(value)
    return "" if when is None else when.isoformat().replace("+00:00", "Z")


def span(days: float) -> str:
    """A number of days in the unit a person would use: `12 days`, `5 months`, `2.5 years`."""
    whole = max(0, int(days))
    if whole < DAYS_READ_AS_DAYS:
        return plural(whole, "day")
    if whole < DAYS_READ_AS_MONTHS:
        return plural(round(whole / DAYS_PER_MONTH), "month")
    return f"{whole / 365.25:.1f} years"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 event`, `2,004 events`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _quantised(value: object, step: str) -> Decimal | None:
    figure = decimal_or_none(value)
    return None if figure is None else figure.quantize(Decimal(step), ROUND_HALF_EVEN)


def points(value: object) -> str:
    """Thousandths of a point with their sign: `+1.204`, `0.000`; a minus is a real minus."""
    figure = _quantised(value, "0.001")
    if figure is None:
        return "unknown"
    sign = "+" if figure > 0 else MINUS if figure < 0 else ""
    return f"{sign}{abs(figure):.3f}"


def exact(value: object) -> str:
    """A score to the thousandth, without a plus sign: `63.412`."""
    return points(value).removeprefix("+")


def score(value: object) -> str:
    """A health score as shown large: `63.4`."""
    figure = _quantised(value, "0.1")
    return "unknown" if figure is None else f"{figure:.1f}"


def percent(value: object) -> str:
    """A fraction as whole percent: `38%`."""
    figure = decimal_or_none(value)
    return "unknown" if figure is None else f"{(figure * 100).quantize(Decimal(1)):f}%"


def money(value: object) -> str:
    """`£1,204.50`; `1,204.50 SEK` for a currency without a sign of its own here."""
    amount = decimal_or_none(as_mapping(value).get("amount"))
    if amount is None:
        return "unknown"
    currency = str(as_mapping(value).get("currency", ""))
    figure = f"{abs(amount):,.2f}"
    sign = MINUS if amount < 0 else ""
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{figure}" if symbol else f"{sign}{figure} {currency}".rstrip()


def whole_money(value: object) -> str:
    """`£1,205`: for places where pence would only be noise."""
    amount = _quantised(as_mapping(value).get("amount"), "1")
    if amount is None:
        return "unknown"
    return money({**as_mapping(value), "amount": amount}).replace(".00", "", 1)


def plain(name: object) -> str:
    """A machine's name as words: `complaint_unresolved` -> `Complaint unresolved`."""
    words = str(name).replace("_", " ").replace(".", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def short_id(value: object) -> str:
    """The first eight characters of a UUID: enough to tell customers apart in a list."""
    return str(value)[:8]


FILTERS: dict[str, Callable[..., str]] = {
    "day": day,
    "short_day": short_day,
    "clock": clock,
    "instant": instant,
    "machine_time": machine_time,
    "points": points,
    "exact": exact,
    "score": score,
    "percent": percent,
    "money": money,
    "plain": plain,
    "short_id": short_id,
    "plural": plural,
}
"""The words under the names the templates use."""
