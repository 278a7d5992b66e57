"""What is known of complaints, deliveries, contacts and dead feeds holds in the default policy."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projections.scoring.examples import (
    SENSIBLE,
    bought,
    complained,
    fact,
    history,
    moment,
    promised,
    resolved,
    told,
)
from services.projections.scoring.health import fold, in_order, score
from services.projections.scoring.policy_reader import load_policy, parse_policy

if TYPE_CHECKING:
    from events.facts import Fact

POLICY = load_policy()
BUYER = (bought("2011-01-01"), bought("2011-01-31"), bought("2011-03-02"))
HISTORIES = st.lists(
    st.tuples(st.integers(0, 9000), st.sampled_from(SENSIBLE), st.just(0)), max_size=25
)


def value(*facts: Fact, at: str, newest: dict[str, str] | None = None) -> Decimal:
    """The score of a history; it must have one."""
    as_of = moment(at)
    feeds = None if newest is None else {name: moment(day) for name, day in newest.items()}
    shown = score(fold(in_order(told(*facts), as_of), POLICY), POLICY, as_of, feeds).value
    assert shown is not None
    return shown


def cost(*facts: Fact, at: str) -> Decimal:
    """What these facts take from the buyer's score."""
    return value(*BUYER, at=at) - value(*BUYER, *facts, at=at)


@pytest.mark.parametrize("at", ["2011-03-20", "2011-04-20", "2011-09-01", "2012-09-01"])
@pytest.mark.parametrize("severity", ["low", "medium", "high", "critical"])
def test_unrecovered_is_below_recovered_is_below_none(severity: str, at: str) -> None:
    opened = complained("2011-03-10", severity=severity)
    none = value(*BUYER, at=at)
    recovered = value(*BUYER, opened, resolved("2011-03-15"), at=at)
    refused = value(*BUYER, opened, resolved("2011-03-15", outcome="refused"), at=at)
    open_still = value(*BUYER, opened, at=at)

    assert open_still < refused < recovered < none


@given(HISTORIES, st.sampled_from(["refunded", "refused", "odd"]), st.integers(0, 9000))
def test_a_recovered_complaint_never_scores_above_no_complaint(
    drawn: list[tuple[int, tuple[str, dict[str, object]], int]], outcome: str, hours: int
) -> None:
    without = list(history(drawn))
    opened = fact("2011-01-01", "complaint.opened", {"complaint_id": "x", "severity": "low"})
    at = opened.occurred_at + timedelta(hours=hours)
    closed = fact(
        (at + timedelta(days=2)).isoformat(),
        "complaint.resolved",
        {"complaint_id": "x", "outcome": outcome},
    )
    as_of = moment("2012-03-01")
    opened_then = fact(at.isoformat(), "complaint.opened", opened.data)
    plain = score(fold(in_order([*without, *BUYER], as_of), POLICY), POLICY, as_of)
    scarred = score(
        fold(in_order([*without, *BUYER, opened_then, closed], as_of), POLICY), POLICY, as_of
    )

    assert plain.value is not None
    assert scarred.value is not None
    assert scarred.value <= plain.value


def test_a_second_complaint_soon_after_weighs_more_than_one_far_apart() -> None:
    def second(first_at: str) -> Decimal:
        first = (complained(first_at, "a"), resolved(first_at.replace("T00", "T12"), "a"))
        both = value(*BUYER, *first, complained("2011-06-01", "b"), at="2011-06-01")
        return value(*BUYER, *first, at="2011-06-01") - both

    assert second("2011-05-28T00:00") > second("2011-03-05T00:00")


def test_a_long_past_of_purchases_softens_a_complaint() -> None:
    many = tuple(bought(f"2011-02-{day:02}") for day in range(1, 29))
    opened = complained("2011-03-10")
    regular = value(*BUYER, *many, at="2011-03-10") - value(*BUYER, *many, opened, at="2011-03-10")

    assert Decimal(0) < regular < cost(opened, at="2011-03-10")


def test_an_open_complaint_weighs_more_with_time_and_reopening_costs() -> None:
    opened = complained("2011-03-10")
    again = fact("2011-03-20", "complaint.reopened", {"complaint_id": "c1"})

    assert cost(opened, at="2011-03-20") > cost(opened, at="2011-03-10")
    assert cost(opened, resolved("2011-03-12"), again, at="2011-03-20") > cost(
        opened, at="2011-03-10"
    )


def test_an_answer_relieves_an_open_complaint_but_not_as_a_solution_does() -> None:
    opened = complained("2011-03-10")
    answered = fact("2011-03-11", "complaint.responded", {"complaint_id": "c1"})
    at = "2011-03-12"

    assert (
        cost(opened, resolved("2011-03-11"), at=at)
        < cost(opened, answered, at=at)
        < cost(opened, at=at)
    )


def delivered(days_late: float) -> Decimal:
    promise = moment("2011-03-10")
    data = {
        "order_id": "a",
        "promised_at": promise.isoformat(),
        "delivered_at": (promise + timedelta(days=days_late)).isoformat(),
    }
    return -cost(fact("2011-03-25", "delivery.completed", data), at="2011-03-25")


def test_early_buys_almost_nothing_and_lateness_saturates_after_a_week() -> None:
    assert Decimal(0) < delivered(-10) < Decimal("0.5")
    assert delivered(0) == 0
    assert delivered(-10) > delivered(0) > delivered(2) > delivered(5) > delivered(8)
    assert delivered(8) == delivered(60)


def test_four_contacts_are_a_threshold_not_a_slope() -> None:
    contacts = [
        fact(f"2011-03-{day:02}", "contact.handled", {"direction": "inbound"})
        for day in range(5, 12)
    ]
    after = [cost(*contacts[:count], at="2011-03-15") for count in (1, 3, 4, 6)]

    assert after[0] == after[1] == 0
    assert after[2] == after[3] == 8
    assert cost(*contacts, at="2011-05-15") == 0


def test_our_own_calls_are_not_the_customers_contacts() -> None:
    calls = [
        fact(f"2011-03-{day:02}", "contact.handled", {"direction": "outbound"})
        for day in range(5, 12)
    ]

    assert cost(*calls, at="2011-03-15") == 0


def test_pressure_is_a_cap() -> None:
    sent = [
        fact(f"2011-03-{day:02}", "campaign.sent", {"campaign_id": f"k{day}"})
        for day in range(1, 31)
    ]

    assert cost(*sent[:6], at="2011-03-30") == 0
    assert cost(*sent[:7], at="2011-03-30") == 3
    assert cost(*sent, at="2011-03-30") == 12


def test_somebody_held_out_of_a_campaign_was_not_contacted() -> None:
    held_out = {"campaign_id": "k", "arm": "held_out"}
    sent = [fact(f"2011-03-{day:02}", "campaign.sent", held_out) for day in range(1, 31)]

    assert cost(*sent, at="2011-03-30") == 0


def test_a_promise_costs_when_overdue_more_when_broken_and_little_when_kept_late() -> None:
    made = promised("2011-03-05", "2011-03-10")
    kept = fact("2011-03-15", "promise.kept", {"promise_id": "p1"})
    in_time = fact("2011-03-09", "promise.kept", {"promise_id": "p1"})
    broken = fact("2011-03-15", "promise.broken", {"promise_id": "p1"})
    at = "2011-03-15"

    assert cost(made, at="2011-03-10") == 0
    assert cost(made, broken, at=at) > cost(made, at=at) > 0
    assert cost(made, in_time, at=at) < cost(made, kept, at=at) < 0


def test_groups_are_held_at_their_caps() -> None:
    many = [complained(f"2011-03-{day:02}", f"c{day}", "critical") for day in range(5, 25)]
    as_of = moment("2011-04-01")
    health = score(fold(told(*BUYER, *many), POLICY), POLICY, as_of)

    assert health.groups["experience"] == Decimal("-35.000")


def test_more_complaints_than_are_kept_still_cost() -> None:
    def state_of(count: int) -> Decimal:
        facts: list[Fact] = []
        for day in range(count):
            at = f"2009-01-{day + 1:02}"
            facts += [complained(at, f"c{day}", "low"), resolved(at, f"c{day}")]
        return value(bought("2009-01-01"), *facts, at="2011-01-01")

    assert state_of(31) < state_of(16) < state_of(1)


ALIVE = {"purchase.completed": "2011-03-30", "complaint.opened": "2011-03-30"}


def test_a_dead_feed_is_told_and_a_feed_never_connected_is_not_dead() -> None:
    as_of = moment("2011-09-01")
    state = fold(told(*BUYER), POLICY)
    feeds = {"purchase.completed": moment("2011-03-02")}

    assert score(state, POLICY, as_of).status == "ok"
    assert score(state, POLICY, as_of, feeds).status == "stale_input"
    assert score(state, POLICY, as_of, {"purchase.completed": as_of}).status == "ok"


def test_with_the_service_feed_dead_a_closed_complaint_does_not_fade() -> None:
    facts = (*BUYER, complained("2011-03-10"), resolved("2011-03-15"))
    alive = value(*facts, at="2012-03-01", newest={"complaint.opened": "2012-03-01"})
    dead = value(*facts, at="2012-03-01", newest={"complaint.opened": "2011-03-15"})

    assert dead < alive


@given(HISTORIES, st.integers(0, 400), st.integers(0, 400))
def test_a_dead_feed_never_raises_a_score(
    drawn: list[tuple[int, tuple[str, dict[str, object]], int]], days: int, later: int
) -> None:
    facts = in_order([*history(drawn), *BUYER], moment("2012-03-01"))
    last = facts[-1].occurred_at
    newest = {type_: last for feed in POLICY.feeds.values() for type_ in feed.types}
    dead = last + max(timedelta(seconds=feed.stale_after) for feed in POLICY.feeds.values())
    state = fold(facts, POLICY)
    kept = {name: rest for name, rest in state.sums.items() if name in FED}
    state = state._replace(sums=kept)
    first = score(state, POLICY, dead + timedelta(days=days), newest)
    second = score(state, POLICY, dead + timedelta(days=days + later), newest)

    assert first.value is not None
    assert second.value is not None
    assert second.value <= first.value
    assert all(points <= first.groups[name] for name, points in second.groups.items())


FED = {rule.name for rule in POLICY.rules if rule.type in POLICY.feed_of}
"""Rules whose events come by a feed that the policy watches."""


def test_bad_points_of_a_dead_feed_stay_and_those_of_a_live_one_fade() -> None:
    late = {"promised_at": "2011-03-01T00:00:00Z", "delivered_at": "2011-03-20T00:00:00Z"}
    contacts = [fact(f"2011-03-{day:02}", "contact.handled") for day in range(5, 9)]
    facts = told(*BUYER, *contacts, fact("2011-03-20", "delivery.completed", late))
    state = fold(facts, POLICY)
    as_of = moment("2012-03-01")
    live = {"contact.handled": as_of, "delivery.completed": as_of}
    gone = {name: moment("2011-03-20") for name in live}
    alive = score(state, POLICY, as_of, live).groups["experience"]
    dead = score(state, POLICY, as_of, gone).groups["experience"]

    assert alive > Decimal("-0.2")
    assert dead == Decimal("-3.568")


def test_many_contacts_stay_many_while_the_feed_is_dead() -> None:
    text = (files("services.projections") / "policies" / "default-1.yaml").read_text()
    hasty = parse_policy(text.replace("stale_after_days: 45", "stale_after_days: 5", 1))
    contacts = [fact(f"2011-03-{day:02}", "contact.handled") for day in range(5, 9)]
    state = fold(told(*BUYER, *contacts), hasty)
    newest = {"contact.handled": moment("2011-03-08")}
    shown = score(state, hasty, moment("2011-09-01"), newest)

    assert shown.groups["experience"] == Decimal(-8)


def test_only_the_newest_contacts_decide_about_the_threshold() -> None:
    old = [fact(f"2010-03-{day:02}", "contact.handled") for day in range(5, 10)]
    new = [fact(f"2011-03-{day:02}", "contact.handled") for day in range(5, 9)]

    assert cost(*old, *new, at="2011-03-15") == 8
    assert cost(*old, *new[:3], at="2011-03-15") == 0


def test_a_promise_never_made_is_not_moved_and_one_made_is_made_once() -> None:
    moved = fact("2011-03-05", "promise.renegotiated", promised("2011-03-05", "2011-03-06").data)
    made = promised("2011-03-05", "2011-05-01")

    assert cost(moved, at="2011-03-20") == 0
    assert cost(made, promised("2011-03-06", "2011-03-07"), at="2011-03-20") == 0
    assert cost(made, moved, at="2011-03-20") > 0


def test_a_promise_is_kept_when_it_says_it_was() -> None:
    made = promised("2011-03-05", "2011-03-10")
    told_late = {"promise_id": "p1", "kept_at": "2011-03-09T00:00:00Z"}
    in_time = cost(made, fact("2011-03-20", "promise.kept", told_late), at="2011-03-20")

    assert in_time == Decimal("-2.500")


def test_a_dissatisfied_customer_is_hardly_recovered() -> None:
    opened = complained("2011-03-10")
    refund = {"complaint_id": "c1", "outcome": "refunded"}
    unhappy = fact("2011-03-12", "complaint.resolved", {**refund, "satisfied": False})
    happy = fact("2011-03-12", "complaint.resolved", {**refund, "satisfied": True})

    assert cost(opened, unhappy, at="2011-03-13") > 2 * cost(opened, happy, at="2011-03-13")
    assert cost(opened, unhappy, at="2011-03-13") < cost(opened, at="2011-03-13")


def test_returns_alone_tell_no_rhythm() -> None:
    as_of = moment("2011-03-13")
    back = fact("2011-03-12", "purchase.returned", {"order_id": "a"})

    assert score(fold(told(back), POLICY), POLICY, as_of).status == "insufficient_data"


def test_a_flag_is_not_a_number() -> None:
    def worth(*, outside: object) -> Decimal:
        data = {"rating": 5, "rating_max": 5, "outside": outside}
        return -cost(fact("2011-03-10", "review.published", data), at="2011-03-10")

    assert worth(outside=1) == 3
    assert worth(outside=True) == 5
