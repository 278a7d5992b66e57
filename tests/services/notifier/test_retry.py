"""Waits between attempts: laws for any policy, and the schedule as shipped."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.retry import RetryPolicy

ATTEMPTS = st.integers(min_value=1, max_value=10_000)
DICE = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
WAITS = st.timedeltas(min_value=timedelta(milliseconds=10), max_value=timedelta(days=3))


def policies() -> st.SearchStrategy[RetryPolicy]:
    return st.builds(
        RetryPolicy,
        base=WAITS,
        factor=st.floats(min_value=1.0, max_value=10.0),
        cap=WAITS,
        attempts=st.integers(min_value=1, max_value=100),
    )


@given(policies(), ATTEMPTS, DICE)
def test_a_wait_is_never_longer_than_the_cap_nor_shorter_than_half_of_it_or_base(
    policy: RetryPolicy, attempt: int, dice: float
) -> None:
    wait = policy.wait(attempt, dice)
    slack = timedelta(microseconds=1)
    assert min(policy.base, policy.cap) / 2 - slack <= wait <= policy.cap + slack


@given(policies(), ATTEMPTS, DICE)
def test_a_later_attempt_never_waits_less_at_the_same_dice(
    policy: RetryPolicy, attempt: int, dice: float
) -> None:
    assert policy.wait(attempt, dice) <= policy.wait(attempt + 1, dice)


@given(policies(), ATTEMPTS, DICE, DICE)
def test_the_dice_take_away_up_to_half(
    policy: RetryPolicy, attempt: int, one: float, other: float
) -> None:
    longest, shorter = policy.wait(attempt, 0.0), policy.wait(attempt, max(one, other))
    assert longest / 2 - timedelta(microseconds=1) <= shorter <= longest
    assert shorter <= policy.wait(attempt, min(one, other))


@given(policies(), ATTEMPTS, DICE, st.timedeltas(min_value=timedelta(0)))
def test_a_wait_the_receiver_asks_for_is_kept_to_but_not_beyond_the_cap(
    policy: RetryPolicy, attempt: int, dice: float, asked: timedelta
) -> None:
    alone = policy.wait(attempt, dice)
    assert policy.wait(attempt, dice, asked) == max(alone, min(asked, policy.cap))


def test_the_shipped_schedule_is_the_documented_one() -> None:
    policy = RetryPolicy()
    seconds = [policy.wait(n, 0.0).total_seconds() for n in range(1, policy.attempts)]
    assert seconds == [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600, 21600, 21600]
    assert timedelta(hours=31) < timedelta(seconds=sum(seconds)) < timedelta(hours=32)


def test_attempts_are_bounded() -> None:
    policy = RetryPolicy(attempts=3)
    assert [policy.is_last(n) for n in (1, 2, 3, 4)] == [False, False, True, True]
