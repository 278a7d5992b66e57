"""A silence and the purchases that come back: what ends it, what begins it again, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.projections.scoring import signals
from services.projections.scoring.examples import bought, fact, moment, money, returned
from tests.services.projections.scoring.test_signals import DUE, MONTHLY, folded, only, recorded

if TYPE_CHECKING:
    from events.facts import Fact


def sent_back(at: str, *, recorded: str | None = None) -> Fact:
    """The purchase of the first of August came back wholly."""
    data = {"order_id": "order-2011-08-01", "total": money("20.00")}
    return fact(at, "purchase.returned", data, recorded=recorded)


def bought_again() -> tuple[Fact, ...]:
    """Silent, raised, bought on the first of August, cleared."""
    raised = recorded(only(folded(*MONTHLY), DUE))
    back = bought("2011-08-01")
    return (*MONTHLY, raised, back, recorded(only(folded(*MONTHLY, raised, back), "2011-08-01")))


def test_a_silence_is_raised_again_when_the_purchase_that_ended_it_comes_back() -> None:
    before, back = bought_again(), sent_back("2011-08-09")
    first = before[3].data
    state = folded(*before, back)
    again = only(state, "2011-08-09")

    assert signals.timers(state) == {"silence": moment("2011-08-09")}
    assert (again.type, again.occurred_at) == ("churn_signal.raised", moment("2011-08-09"))
    assert again.data["signal_id"] != first["signal_id"]
    assert again.data["contributing"] == [MONTHLY[-1].event_id, back.event_id]
    assert again.data["reason"] == (
        "No purchase since 2 March 2011; this customer is expected to buy every 47 days, "
        "and 160 days have passed."
    )
    open_again = folded(*before, back, recorded(again))
    assert signals.proposals(open_again, moment("2012-06-01")) == []
    assert [each.alerted for each in signals.signals(open_again, moment("2012-06-01"))] == [True]


def test_a_silence_raised_again_is_cleared_again_and_can_come_back_again() -> None:
    facts = (*bought_again(), sent_back("2011-08-09"))
    second = recorded(only(folded(*facts), "2011-08-09"))
    third_buy = bought("2011-09-01", order="third")
    facts = (*facts, second, third_buy)
    cleared = recorded(only(folded(*facts), "2011-09-01"))
    facts = (*facts, cleared, returned("2011-09-05", "20.00", order="third"))
    third = only(folded(*facts), "2011-09-05")

    assert cleared.data["signal_id"] == second.data["signal_id"]
    assert third.data["signal_id"] not in {second.data["signal_id"], facts[3].data["signal_id"]}
    assert third.occurred_at == moment("2011-09-05")


def test_a_purchase_that_came_back_before_the_silence_was_long_changes_no_due_time() -> None:
    early = bought("2011-04-01", order="early")
    state = folded(*MONTHLY, early, returned("2011-04-05", "20.00", order="early"))

    assert signals.timers(state) == {"silence": moment(DUE)}


def test_a_purchase_partly_returned_still_ends_the_silence() -> None:
    part = returned("2011-08-09", "19.99", order="order-2011-08-01")
    state = folded(*bought_again(), part)

    assert signals.proposals(state, moment("2011-08-10")) == []


def test_a_return_recorded_long_after_it_happened_is_missed_not_raised() -> None:
    state = folded(*bought_again(), sent_back("2011-08-09", recorded="2011-08-17"))
    (seen,) = signals.signals(state, moment("2011-08-17"))
    bought_on = folded(
        *bought_again(), sent_back("2011-08-09", recorded="2011-08-17"), bought("2011-09-01")
    )

    assert signals.timers(state) == {}
    assert signals.proposals(state, moment("2011-08-17")) == []
    assert (seen.alerted, seen.missed) == (False, True)
    assert signals.missed(bought_on)["silence"].count == 1


def test_a_return_recorded_a_little_late_raises_beside_the_clearing_that_came_first() -> None:
    """Returned on 1 August at noon, cleared by then; the return is read two days later."""
    facts = (*bought_again(), sent_back("2011-08-01T12:00", recorded="2011-08-03"))
    again = only(folded(*facts), "2011-08-03")

    assert again.type == "churn_signal.raised"
    assert signals.proposals(folded(*facts, recorded(again)), moment("2012-01-01")) == []


def test_a_purchase_that_comes_back_before_the_signal_is_cleared_leaves_it_open() -> None:
    raised = recorded(only(folded(*MONTHLY), DUE))
    quick = bought("2011-07-20T02:00", order="quick")
    back = returned("2011-07-20T09:00", "20.00", order="quick")
    state = folded(*MONTHLY, raised, quick, back)
    (seen,) = signals.signals(state, moment("2011-08-01"))

    assert signals.proposals(state, moment("2012-01-01")) == []
    assert (seen.signal_id, seen.alerted) == (raised.data["signal_id"], True)
    assert seen.reason.startswith("No purchase since 2 March 2011")


def test_an_older_order_that_comes_back_does_not_undo_a_clearing_by_hand() -> None:
    buyer = (bought("2010-12-01", order="old"), *MONTHLY)
    raised = recorded(only(folded(*buyer), "2011-12-01"))
    data = {"signal_id": raised.data["signal_id"], "kind": "silence", "reason": "called"}
    by_hand = fact("2011-07-22", "churn_signal.cleared", data)
    state = folded(*buyer, raised, by_hand, returned("2011-07-24", "20.00", order="old"))

    assert state.rhythm.days == 3
    assert signals.proposals(state, moment("2012-01-01")) == []


def test_a_first_order_that_comes_back_makes_no_silence_long_before_it_did() -> None:
    buyer = (bought("2009-01-01", order="old"), *MONTHLY)
    back = returned("2011-09-15", "20.00", order="old")
    state = folded(*buyer, back)

    assert signals.timers(folded(*buyer))["silence"] > moment("2011-09-15")
    assert only(state, "2011-09-15").occurred_at == moment("2011-09-15")


def test_a_return_years_after_a_silence_that_was_missed_alarms_nobody() -> None:
    long_ago = [bought(f"2011-0{month}-01", recorded="2026-01-01") for month in (1, 2, 3, 4)]
    back = returned("2026-02-01", "20.00", order="order-2011-04-01")

    assert signals.timers(folded(*long_ago, back)) == {}
    assert signals.proposals(folded(*long_ago, back), moment("2027-01-01")) == []


def test_once_bought_again_the_old_return_is_no_reason_any_more() -> None:
    last = bought("2011-09-01")
    later = folded(*bought_again(), sent_back("2011-08-09"), last)

    assert only(later, "2013-01-01").data["contributing"] == [last.event_id]
