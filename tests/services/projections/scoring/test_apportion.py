"""Rounded lines add up to the rounded total, and none moves by a whole unit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.projections.scoring.apportion import apportion, as_points, thousandths

POINTS = st.lists(st.floats(-1000, 1000), min_size=1, max_size=60)


def test_thirds_add_up() -> None:
    assert apportion([1 / 3, 1 / 3, 1 / 3], 1000) == [334, 333, 333]


def test_the_largest_remainders_are_rounded_up_below_zero_too() -> None:
    assert apportion([-0.0016, -0.0012], -3) == [-2, -1]


def test_no_points_give_no_lines() -> None:
    assert apportion([], 0) == []


def test_points_have_three_places() -> None:
    assert str(as_points(-1500)) == "-1.500"
    assert as_points(thousandths(0.0004)) == Decimal("0.000")


@given(POINTS)
def test_lines_sum_to_the_rounded_total(points: list[float]) -> None:
    total = thousandths(sum(points))

    assert sum(apportion(points, total)) == total


@given(POINTS)
def test_no_line_moves_by_a_whole_thousandth(points: list[float]) -> None:
    lines = apportion(points, thousandths(sum(points)))

    assert all(
        abs(line - value * 1000) < 1 + 1e-6 for line, value in zip(lines, points, strict=True)
    )
