"""Which customers the list shows, in which order, which page of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.projections.web.points import Point

PAGE_SIZE = 40
BAND = 20
"""Width of a health band (points) and of a share band (percent) in the table under the chart."""

SHOWS: dict[str, tuple[str, Callable[[Point], bool]]] = {
    "all": ("Everyone", lambda _: True),
    "neglected": ("Neglected", lambda point: point.neglected is not None),
    "signals": ("Open signals", lambda point: bool(point.signals)),
    "low": ("Health below 40", lambda point: point.in_poor_health),
    "share": ("Share known", lambda point: point.share is not None),
    "simulated": ("With simulated facts", lambda point: point.simulated),
}
"""Filter name in the address -> its label and test."""

SORTS: dict[str, tuple[str, Callable[[Point], Any]]] = {
    "spend": ("most spend first", lambda point: -point.amount),
    "health": ("lowest health first", lambda point: _known_first(point.health)),
    "best": ("highest health first", lambda point: _known_first(point.health, sign=-1)),
    "share": ("lowest wallet share first", lambda point: _known_first(point.share)),
    "quiet": (
        "longest without a purchase first",
        lambda point: (point.last_purchase is None, point.last_purchase or ""),
    ),
}
"""Order name in the address -> its label and key."""


def _known_first(figure: Decimal | None, sign: int = 1) -> tuple[bool, Decimal]:
    return (figure is None, sign * (figure or Decimal(0)))


@dataclass(frozen=True, slots=True)
class Selection:
    """What the reader asked for. `as_of` is their text, empty for the page's own choice."""

    as_of: str = ""
    show: str = "all"
    sort: str = "spend"
    health_band: str = ""
    share_band: str = ""
    page: int = 1

    def link(self, **changes: str | int) -> str:
        """The portfolio's address with some of these changed; any other change starts at page 1."""
        wanted: dict[str, str | int] = {
            "as_of": self.as_of,
            "show": self.show,
            "sort": self.sort,
            "health_band": self.health_band,
            "share_band": self.share_band,
            "page": 1,
        }
        wanted.update(changes)
        plain: dict[str, str | int] = {"show": "all", "sort": "spend", "page": 1}
        query = {key: value for key, value in wanted.items() if value and value != plain.get(key)}
        return "/?" + urlencode(query) if query else "/"


def read_selection(query: Mapping[str, str]) -> Selection:
    """The selection in an address; what is not understood falls back to the plain list."""
    page = query.get("page", "1")
    show, sort = query.get("show", "all"), query.get("sort", "spend")
    return Selection(
        as_of=query.get("as_of", "").strip(),
        show=show if show in SHOWS else "all",
        sort=sort if sort in SORTS else "spend",
        health_band=_band(query.get("health_band", "")),
        share_band=_band(query.get("share_band", "")),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < len("10000") else 1,
    )


def _band(text: str) -> str:
    return text if text in BANDS else ""


def band(figure: Decimal | None, scale: int) -> str:
    """Which band a figure of 0..scale is in: `0`, `20` .. `80`, or `unknown`."""
    if figure is None:
        return "unknown"
    return str(min(80, max(0, int(figure * 100 / scale) // BAND * BAND)))


BANDS = ("unknown", "0", "20", "40", "60", "80")


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the chosen customers. `page` counts from 1; `total` are all chosen."""

    points: Sequence[Point]
    total: int
    page: int
    pages: int


def listing(points: Sequence[Point], selection: Selection) -> Listing:
    """The chosen customers in order; a page past the last becomes the last."""
    chosen = [
        point
        for point in points
        if SHOWS[selection.show][1](point)
        and selection.health_band in {"", band(point.health, 100)}
        and selection.share_band in {"", band(point.share, 1)}
    ]
    key = SORTS[selection.sort][1]
    chosen.sort(key=lambda point: (key(point), point.customer))
    pages = max(1, -(-len(chosen) // PAGE_SIZE))
    page = min(max(1, selection.page), pages)
    start = (page - 1) * PAGE_SIZE
    return Listing(chosen[start : start + PAGE_SIZE], len(chosen), page, pages)


def cross_table(points: Sequence[Point]) -> dict[tuple[str, str], int]:
    """How many customers there are per (health band, share band): the chart as a table."""
    counts: dict[tuple[str, str], int] = {}
    for point in points:
        cell = (band(point.health, 100), band(point.share, 1))
        counts[cell] = counts.get(cell, 0) + 1
    return counts
