"""Round many lines so that they add up to the rounded total exactly (largest remainder)."""

from __future__ import annotations

from decimal import Decimal
from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

THOUSAND = 1000


def thousandths(points: float) -> int:
    """`points` in whole thousandths of a point; halves go to the even neighbour."""
    return round(points * THOUSAND)


def as_points(count: int) -> Decimal:
    """Whole thousandths as an exact decimal with three places."""
    return Decimal(count).scaleb(-3)


def apportion(points: Sequence[float], total: int) -> list[int]:
    """Round each of `points` to thousandths so that together they are `total` thousandths.

    Each is rounded down, then the largest remainders are rounded up until the total is met; equal
    remainders go by their order. No line moves by a whole thousandth while `total` is the rounded
    sum of the points. No points give no lines, whatever the total.
    """
    if not points:
        return []
    scaled = [value * THOUSAND for value in points]
    floors = [floor(value) for value in scaled]
    each, rest = divmod(total - sum(floors), len(floors))
    by_remainder = sorted(
        range(len(floors)), key=lambda index: (floors[index] - scaled[index], index)
    )
    lines = [count + each for count in floors]
    for index in by_remainder[:rest]:
        lines[index] += 1
    return lines
