"""Decayed sums: the check figure, and that the order of arrival does not matter."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projections.scoring.decay import EMPTY_SUM, DecayedSum, worth

CHECK = ((0.0, 1.0), (10.0, -2.0), (45.0, 1.0))
WEIGHTS = st.lists(st.tuples(st.floats(0, 3000), st.floats(-100, 100)), min_size=1, max_size=30)


def summed(weights: list[tuple[float, float]] | tuple[tuple[float, float], ...]) -> DecayedSum:
    held = EMPTY_SUM
    for at, weight in weights:
        held = held.add(weight, at, 30.0)
    return held


def test_the_check_figure_comes_out_in_any_order_of_arrival() -> None:
    for order in permutations(CHECK):
        assert summed(order).read(60.0, 30.0) == pytest.approx(0.3271462564, abs=1e-9)


def test_a_weight_halves_every_half_life_and_does_not_grow_before_it_happened() -> None:
    assert worth(8.0, 60.0, 30.0) == 2.0
    assert worth(8.0, -5.0, 30.0) == 8.0
    assert worth(8.0, 1e9, 30.0) == 0.0


def test_a_sum_of_nothing_is_nothing() -> None:
    assert EMPTY_SUM.read(10.0, 30.0) == 0.0


@given(WEIGHTS, st.integers(0, 1000))
def test_order_of_arrival_changes_nothing(weights: list[tuple[float, float]], seed: int) -> None:
    shuffled = list(weights)
    Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret

    assert summed(shuffled).read(4000, 30) == pytest.approx(
        summed(weights).read(4000, 30), abs=1e-9
    )


@given(WEIGHTS)
def test_a_decayed_sum_is_the_sum_of_what_each_is_worth(weights: list[tuple[float, float]]) -> None:
    each = sum(worth(weight, 4000 - at, 30) for at, weight in weights)

    assert summed(weights).read(4000, 30) == pytest.approx(each, abs=1e-9)
