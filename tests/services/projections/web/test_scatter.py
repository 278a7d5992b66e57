"""The chart's geometry: unknown is a place of its own, nothing falls out, badges stay apart."""

from __future__ import annotations

import re
from decimal import Decimal
from math import dist

from hypothesis import given
from hypothesis import strategies as st

from services.projections.web.points import Point, read_point
from services.projections.web.scatter import (
    BADGE,
    DOTS_UP_TO,
    NARROW,
    SHADES,
    WIDE,
    cell_of,
    cells,
    scatter,
    shade,
)

FIGURES = st.one_of(st.none(), st.decimals(min_value=0, max_value=1, places=3))


def point(health: Decimal | None, share: Decimal | None, number: int = 0) -> Point:
    return read_point(
        {
            "customer": f"{number:08}",
            "health": {"value": health},
            "wallet_share": {
                "value": share,
                "basis": "measured" if share is not None else "unknown",
            },
        }
    )


def test_an_unknown_share_is_drawn_in_its_strip_and_a_share_of_zero_on_the_axis() -> None:
    unknown, zero = point(Decimal(50), None), point(Decimal(50), Decimal(0))
    chart = scatter([unknown, zero], [unknown, zero], WIDE)
    assert chart.dots == [(WIDE.plot_left, WIDE.y(50))]
    assert [bar.count for bar in chart.bars] == [1]
    in_strip, on_axis = chart.marks
    assert WIDE.left <= in_strip.x <= WIDE.left + WIDE.strip
    assert on_axis.x == WIDE.plot_left


def test_an_unknown_health_is_drawn_below_and_counted() -> None:
    chart = scatter([point(None, Decimal("0.5")), point(None, None)], [], WIDE)
    assert chart.below == [WIDE.x(0.5)]
    assert (chart.both_unknown, chart.bars, chart.dots) == (1, [], [])


@given(st.lists(st.tuples(FIGURES, FIGURES), max_size=60))
def test_every_customer_is_drawn_or_counted_once(figures: list[tuple[Decimal | None, ...]]) -> None:
    points = [point(h and h * 100, s, n) for n, (h, s) in enumerate(figures)]
    chart = scatter(points, [], NARROW)
    drawn = len(chart.dots) + len(chart.below) + sum(bar.count for bar in chart.bars)
    assert drawn + chart.both_unknown == len(points)


def test_many_customers_become_cells_instead_of_dots() -> None:
    points = [point(Decimal(n % 101), Decimal(n % 53) / 52, n) for n in range(DOTS_UP_TO + 1)]
    chart = scatter(points, [], WIDE)
    assert chart.dots == []
    assert chart.cells
    assert len(scatter(points[:-1], [], WIDE).dots) == DOTS_UP_TO


@given(st.lists(st.tuples(st.floats(0, 700), st.floats(0, 500)), min_size=1, max_size=80))
def test_a_cell_is_the_nearest_one_and_each_is_drawn_once(
    places: list[tuple[float, float]],
) -> None:
    drawn = "".join(cells(places).values())
    assert drawn.count("M") == len({cell_of(x, y) for x, y in places})
    corners = [
        [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]
        for path in drawn.split("Z")[:-1]
    ]
    centres = [(sum(x for x, _ in c) / 6, sum(y for _, y in c) / 6) for c in corners]
    for place in places:
        assert min(dist(place, centre) for centre in centres) <= 9.2


def test_the_shade_grows_with_the_count() -> None:
    assert [shade(least) for least in SHADES] == [1, 2, 3, 4, 5]
    assert [shade(least - 1) for least in SHADES] == [0, 1, 2, 3, 4]


@given(st.lists(st.tuples(st.integers(0, 100), FIGURES), min_size=2, max_size=10))
def test_badges_never_cover_one_another(figures: list[tuple[int, Decimal | None]]) -> None:
    marked = [point(Decimal(h), s, n) for n, (h, s) in enumerate(figures)]
    for frame in (WIDE, NARROW):
        marks = scatter(marked, marked, frame).marks
        assert [mark.number for mark in marks] == list(range(1, len(marked) + 1))
        places = [(mark.badge_x, mark.badge_y) for mark in marks]
        apart = [dist(a, b) for n, a in enumerate(places) for b in places[:n]]
        assert min(apart) >= BADGE - 0.2
        assert all(0 < x < frame.width and frame.top <= y <= frame.floor for x, y in places)
