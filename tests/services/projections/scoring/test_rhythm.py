"""Purchase statistics and the silence they make due, beyond what the cases say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from events.fold import fold
from services.projections.scoring import rhythm
from services.projections.scoring.examples import bought, fact, moment, returned, told
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.rhythm import KEPT_ORDERS, NO_PURCHASES, Rhythm

PACE = load_policy().pace
DAYS = st.lists(st.integers(0, 900), min_size=1, max_size=60).map(sorted)


def on_days(days: list[int], amount: str = "5.00") -> Rhythm:
    begin = moment("2010-01-01")
    made = [
        bought((begin + timedelta(days=day)).isoformat(), amount, order=f"o{place}")
        for place, day in enumerate(days)
    ]
    return fold(rhythm.step, NO_PURCHASES, told(*made))


@given(DAYS)
def test_statistics_are_those_of_the_distinct_days(days: list[int]) -> None:
    found = rhythm.statistics(on_days(days), moment("2013-01-01"))

    assert found is not None
    assert found.x == len(set(days)) - 1
    assert found.t_x * 7 == days[-1] - days[0] or abs(found.t_x * 7 - days[-1] + days[0]) < 1e-9


@given(DAYS)
def test_what_is_kept_is_bounded_and_money_stays_exact(days: list[int]) -> None:
    state = on_days(days, "0.10")

    assert len(state.orders) <= KEPT_ORDERS
    assert state.spend["GBP"].total == Decimal("0.10") * len(days)


@given(DAYS, st.integers(0, 59))
def test_an_order_wholly_cancelled_is_as_if_it_never_was(days: list[int], which: int) -> None:
    days = days[-KEPT_ORDERS:]
    gone = which % len(days)
    back = returned("2013-01-01", "5.00", order=f"o{gone}")
    cancelled = rhythm.step(on_days(days), replace(back, position=99))
    never = on_days(days[:gone] + days[gone + 1 :])

    assert cancelled[:4] == never[:4]
    assert rhythm.mean_repeat_spend(cancelled) == rhythm.mean_repeat_spend(never)


def test_a_partial_return_and_one_of_an_unknown_order_take_no_day() -> None:
    state = on_days([0, 30, 60])
    partly = rhythm.step(state, returned("2010-04-01", "4.99", order="o2"))
    unknown = rhythm.step(state, returned("2010-04-01", "5.00", order="other"))

    assert partly.days == unknown.days == 3
    assert partly.spend["GBP"].total == Decimal("10.01")
    assert unknown.spend["GBP"].total == Decimal("10.00")


def test_a_return_in_another_currency_cancels_nothing() -> None:
    euros = fact(
        "2010-04-01",
        "purchase.returned",
        {"order_id": "o2", "total": {"amount": "5.00", "currency": "EUR"}},
    )
    state = rhythm.step(on_days([0, 30, 60]), euros)

    assert state.days == 3
    assert state.spend["EUR"].total == Decimal("-5.00")


def test_a_return_before_any_purchase_leaves_the_very_same_state() -> None:
    assert rhythm.step(NO_PURCHASES, returned("2010-04-01", "5.00")) is NO_PURCHASES


def test_two_purchases_of_a_day_count_apart_from_a_cancelled_one() -> None:
    state = on_days([0, 30, 30])
    state = rhythm.step(state, returned("2010-04-01", "5.00", order="o2"))

    assert state.days == 2


def test_everything_cancelled_is_nobody_again_and_buying_begins_anew() -> None:
    state = rhythm.step(on_days([0]), returned("2010-01-02", "5.00", order="o0"))
    again = rhythm.step(state, bought("2010-05-01", "7.00"))

    assert state.days == 0
    assert rhythm.statistics(state, moment("2011-01-01")) is None
    assert again.days == 1
    assert again.spend["GBP"].total == Decimal("7.00")


def test_silence_is_due_at_three_expected_gaps_within_bounds() -> None:
    weekly = on_days(list(range(0, 350, 7)))
    daily = on_days(list(range(300)))
    rare = on_days([0, 400, 800])

    assert rhythm.expected_gap(weekly, PACE) == (80 + 343) / (1 + 49)
    assert rhythm.due(weekly, PACE) == moment("2010-12-10") + timedelta(days=3 * 423 / 50)
    assert rhythm.due(daily, PACE) == moment("2010-10-27") + timedelta(days=21)
    assert rhythm.due(rare, PACE) == moment("2012-03-11") + timedelta(days=540)


def test_a_pace_needs_three_purchase_days() -> None:
    assert rhythm.due(on_days([0, 30]), PACE) is None
    assert rhythm.due(on_days([0, 30, 30]), PACE) is None
    assert rhythm.due(on_days([0, 30, 60]), PACE) is not None


def test_a_purchase_that_arrives_late_is_not_counted_twice_on_a_day_that_is_known() -> None:
    state = on_days([0, 30, 60])
    late = rhythm.step(state, bought("2010-01-31T13:00"))

    assert late.days == 3
    assert [order.at for order in late.orders] == sorted(order.at for order in late.orders)
