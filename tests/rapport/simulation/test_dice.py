"""Chance that can be repeated."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rapport.samples.online_retail import SHOP_TIME
from rapport.simulation.dice import Dice


@given(st.integers(), st.text())
def test_the_same_names_give_the_same_draws(seed: int, name: str) -> None:
    one, other = Dice(seed, name), Dice(seed, name)

    assert [one.real(0, 1) for _ in range(9)] == [other.real(0, 1) for _ in range(9)]


def test_the_draws_of_a_name_never_change() -> None:
    dice = Dice(7, "13085", "delivery")

    assert [dice.whole(1, 1_000) for _ in range(4)] == [245, 391, 309, 150]


@given(st.integers(), st.integers(-50, 50), st.integers(0, 50))
def test_draws_stay_within_their_limits(seed: int, low: int, width: int) -> None:
    dice = Dice(seed)
    high = low + width

    assert low <= dice.whole(low, high) <= high
    assert low <= dice.real(low, high) <= high
    assert abs(dice.around(low, width) - low) <= width


def test_weights_decide_how_often() -> None:
    dice = Dice("weights")
    drawn = Counter(dice.weighted([("a", 8.0), ("b", 2.0), ("c", 0.0)]) for _ in range(5_000))

    assert 3_800 < drawn["a"] < 4_200
    assert drawn["c"] == 0


@given(st.integers(), st.datetimes(datetime(2010, 1, 1), datetime(2011, 12, 1)))  # noqa: DTZ001 # zone below
def test_days_after_is_later_and_in_shop_hours(seed: int, naive: datetime) -> None:
    moment = naive.replace(tzinfo=SHOP_TIME)

    later = Dice(seed).days_after(moment, 1, 3)

    assert moment < later < moment + timedelta(days=4)
    assert 9 <= later.hour < 18
