"""The portfolio page: asks once, counts, draws.

The chart, the list and the figures above them come from one answer, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from services.projections.web import neglect
from services.projections.web.points import notable, read_points
from services.projections.web.scatter import NARROW, SHADES, WIDE, scatter
from services.projections.web.selection import BANDS, SHOWS, SORTS, cross_table, listing
from services.projections.web.stand import read_as_of, read_stand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from starlette.responses import Response

    from services.projections.web.drawing import Drawing
    from services.projections.web.points import Point
    from services.projections.web.ports import Answers
    from services.projections.web.selection import Selection
    from services.projections.web.stand import Stand

MARKED = 10
"""So many customers are numbered in the chart and listed beside it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures above the chart; counts of customers, and the median health in points."""

    customers: int
    median: Decimal | None
    low: int
    share_known: int
    signals: int
    neglected: int
    simulated: int


def portfolio_page(answers: Answers, drawing: Drawing, selection: Selection) -> Response:
    """Ask for the portfolio at the chosen instant and draw it."""
    wanted = read_as_of(selection.as_of)
    suggested = answers.suggested_as_of()
    answer = answers.portfolio(as_of=wanted or suggested)
    # Asked after the answer, so that a busy ledger never makes the answer look ahead of it.
    progress = answers.progress()
    stand = read_stand(answer, progress, chosen=wanted is not None, suggested=suggested)
    points = read_points(answer)
    if stand is None or not points:
        return drawing.page(
            "portfolio.html", points=(), progress=progress, stand=stand if points else None
        )
    return _draw(drawing, selection, stand, neglect.with_neglect(points, stand.as_of), progress)


def _draw(
    drawing: Drawing,
    selection: Selection,
    stand: Stand,
    points: Sequence[Point],
    progress: Mapping[str, object],
) -> Response:
    marked = notable(points, MARKED)
    wide = scatter(points, marked, WIDE)
    return drawing.page(
        "portfolio.html",
        as_of_text=selection.as_of,
        stand=stand,
        points=points,
        progress=progress,
        summary=summarise(points),
        marked=marked,
        wide=wide,
        narrow=scatter(points, marked, NARROW),
        longest_bar=max((bar.count for bar in wide.bars), default=0),
        legend=shade_words(),
        bands=BANDS,
        cross=cross_table(points),
        neglect_rule=neglect.RULE,
        customer_link=customer_links(selection.as_of),
        selection=asdict(selection) | {"link": selection.link},
        shows=[
            (name, words, sum(1 for point in points if test(point)))
            for name, (words, test) in SHOWS.items()
        ],
        sorts=[(name, words) for name, (words, _) in SORTS.items()],
        sort_words=SORTS[selection.sort][0],
        found=listing(points, selection),
    )


def summarise(points: Sequence[Point]) -> Summary:
    """Count what the tiles say."""
    healths = [point.health for point in points if point.health is not None]
    return Summary(
        customers=len(points),
        median=median(healths) if healths else None,
        low=sum(1 for point in points if point.in_poor_health),
        share_known=sum(1 for point in points if point.share is not None),
        signals=sum(1 for point in points if point.signals),
        neglected=sum(1 for point in points if point.neglected),
        simulated=sum(1 for point in points if point.simulated),
    )


def customer_links(as_of: str) -> Callable[[str], str]:
    """Builds a customer's address that keeps the chosen instant."""
    query = "?" + urlencode({"as_of": as_of}) if as_of else ""
    return lambda customer: f"/customers/{customer}{query}"


def shade_words() -> list[tuple[int, str]]:
    """What each shade of a cell stands for: (1, "1"), (2, "2 to 4") ..."""
    words: list[tuple[int, str]] = []
    for step, least in enumerate(SHADES, start=1):
        if step == len(SHADES):
            words.append((step, f"{least} or more"))
            break
        most = SHADES[step] - 1
        words.append((step, str(least) if most == least else f"{least} to {most}"))
    return words
