"""A churn signal's life: due, proposed, raised, cleared; or found too late, and only counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalog import catalog
from services.projections.scoring import signals
from services.projections.scoring.examples import (
    ADA,
    SENSIBLE,
    Template,
    bought,
    complained,
    fact,
    history,
    moment,
    promised,
    resolved,
    returned,
    told,
)
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.signal_state import NO_SIGNALS, SignalState, step

if TYPE_CHECKING:
    from datetime import datetime

    from events.facts import Fact

POLICY = load_policy()
MONTHLY = (bought("2011-01-01"), bought("2011-01-31"), bought("2011-03-02"))
DUE = "2011-07-20"


def folded(*facts: Fact) -> SignalState:
    state = NO_SIGNALS
    for each in sorted(told(*facts), key=lambda one: one.order):
        state = step(state, each, POLICY)
    return state


def only(state: SignalState, at: str | datetime) -> signals.Proposal:
    as_of = moment(at) if isinstance(at, str) else at
    (proposal,) = signals.proposals(state, as_of, stream=ADA)
    return proposal


def recorded(proposal: signals.Proposal, at: str | None = None) -> Fact:
    """The fact the command service makes of a proposal."""
    when = proposal.occurred_at.isoformat()
    return fact(when, proposal.type, proposal.data, recorded=at or when)


def kinds(state: SignalState, at: str) -> list[str]:
    return [each.kind for each in signals.signals(state, moment(at))]


def test_silence_is_raised_once_and_cleared_by_a_purchase() -> None:
    raised = only(folded(*MONTHLY), DUE)
    open_state = folded(*MONTHLY, recorded(raised))
    back = folded(*MONTHLY, recorded(raised), bought("2011-08-01"))
    cleared = only(back, "2011-08-01")
    after = folded(*MONTHLY, recorded(raised), bought("2011-08-01"), recorded(cleared))

    assert raised.type == "churn_signal.raised"
    assert raised.occurred_at == moment(DUE)
    assert signals.proposals(open_state, moment("2012-01-01")) == []
    assert signals.timers(open_state) == {}
    assert cleared.type == "churn_signal.cleared"
    assert cleared.occurred_at == moment("2011-08-01")
    assert cleared.data["signal_id"] == raised.data["signal_id"]
    assert signals.proposals(after, moment("2011-08-02")) == []
    assert list(signals.timers(after)) == ["silence"]
    assert signals.missed(after) == {}


def test_what_is_proposed_fits_the_schemas_and_tells_why() -> None:
    raised = only(folded(*MONTHLY), "2011-09-01")
    cleared = only(folded(*MONTHLY, recorded(raised), bought("2011-08-01")), "2011-09-01")

    assert catalog().check(raised.type, None, raised.data) == []
    assert catalog().check(cleared.type, None, cleared.data) == []
    assert raised.data["reason"] == (
        "No purchase since 2 March 2011; this customer is expected to buy every 47 days, "
        "and 140 days have passed."
    )
    assert raised.data["contributing"] == [MONTHLY[-1].event_id]
    assert raised.data["value_at_stake"] == {"amount": "156.43", "currency": "GBP"}
    assert raised.data["policy_version"] == "default/1"


def test_a_proposal_is_the_same_whenever_it_is_worked_out() -> None:
    state = folded(*MONTHLY)

    assert only(state, DUE) == only(state, "2012-01-01")


def test_a_raised_signal_stands_its_minimum_time() -> None:
    raised = only(folded(*MONTHLY), DUE)
    state = folded(*MONTHLY, recorded(raised), bought("2011-07-20T02:00"))

    assert signals.proposals(state, moment("2011-07-20T23:00")) == []
    assert signals.timers(state) == {"silence.clear": moment("2011-07-21")}
    assert only(state, "2011-07-21").type == "churn_signal.cleared"


def test_a_late_purchase_that_leaves_the_customer_silent_clears_nothing() -> None:
    raised = recorded(only(folded(*MONTHLY), DUE))
    early = folded(*MONTHLY, raised, bought("2011-03-04", recorded="2011-08-01"))
    recent = folded(*MONTHLY, raised, bought("2011-07-10", recorded="2011-08-01"))

    assert signals.proposals(early, moment("2011-08-02")) == []
    assert only(recent, "2011-08-02").type == "churn_signal.cleared"


def test_a_silence_imported_long_after_is_missed_never_raised() -> None:
    long_ago = [bought(f"2011-0{month}-01", recorded="2026-01-01") for month in (1, 2, 3)]
    state = folded(*long_ago)
    (seen,) = signals.signals(state, moment("2012-01-01"))

    assert signals.timers(state) == {}
    assert signals.proposals(state, moment("2027-01-01")) == []
    assert (seen.alerted, seen.missed, seen.raised_at) == (False, True, None)


def test_a_crossing_within_the_grace_is_still_raised() -> None:
    late = [bought(at, recorded="2011-07-26") for at in ("2011-01-01", "2011-01-31", "2011-03-02")]
    later = [bought(at, recorded="2011-07-28") for at in ("2011-01-01", "2011-01-31", "2011-03-02")]

    assert only(folded(*late), "2011-07-26").type == "churn_signal.raised"
    assert signals.proposals(folded(*later), moment("2011-07-28")) == []


def test_a_complaint_is_due_by_its_severity_and_one_signal_covers_all() -> None:
    both = (complained("2011-03-01", "a", "critical"), complained("2011-03-01", "b", "low"))
    raised = recorded(only(folded(*both), "2011-03-01T08:00"))
    one_left = folded(*both, raised, resolved("2011-03-07", "a"))
    none_left = folded(*both, raised, resolved("2011-03-07", "a"), resolved("2011-03-09", "b"))

    assert signals.timers(folded(*both)) == {"complaint_unresolved": moment("2011-03-01T08:00")}
    assert signals.proposals(one_left, moment("2011-03-08")) == []
    assert only(none_left, "2011-03-09").occurred_at == moment("2011-03-09")


def test_a_reopened_complaint_raises_another_signal() -> None:
    opened = complained("2011-03-01", "a", "high")
    first = only(folded(opened), "2011-03-05")
    solved = (opened, recorded(first), resolved("2011-03-05", "a"))
    cleared = only(folded(*solved), "2011-03-06")
    again = fact("2011-03-10", "complaint.reopened", {"complaint_id": "a"})
    second = only(folded(*solved, recorded(cleared), again), "2011-03-12")

    assert second.data["signal_id"] != first.data["signal_id"]
    assert second.occurred_at == moment("2011-03-11")


def test_a_promise_broken_early_is_raised_then_and_kept_after_all_it_clears() -> None:
    made = promised("2011-03-01", "2011-03-10")
    broken = fact("2011-03-05", "promise.broken", {"promise_id": "p1"})
    raised = only(folded(made, broken), "2011-03-05")
    kept = fact("2011-03-08", "promise.kept", {"promise_id": "p1"})

    assert raised.data["reason"] == "A promise was broken on 5 March 2011."
    assert raised.data["contributing"] == [made.event_id, broken.event_id]
    assert (
        only(folded(made, broken, recorded(raised), kept), "2011-03-08").type
        == "churn_signal.cleared"
    )


def test_a_broken_promise_is_cleared_in_the_end_and_stays_so() -> None:
    made = promised("2011-03-01", "2011-03-10")
    raised = recorded(only(folded(made), "2011-03-11"))
    state = folded(made, raised)
    end = moment("2011-03-11") + timedelta(days=90)
    cleared = only(state, end)
    after = folded(made, raised, recorded(cleared))

    assert signals.timers(state) == {"promise_broken.clear": end}
    assert signals.proposals(after, moment("2012-01-01")) == []
    assert kinds(after, "2012-01-01") == []


def test_a_promise_moved_to_another_date_is_due_then() -> None:
    moved = fact(
        "2011-03-09", "promise.renegotiated", {"promise_id": "p1", "due_at": "2011-04-01T00:00:00Z"}
    )
    state = folded(promised("2011-03-01", "2011-03-10"), moved)

    assert signals.timers(state) == {"promise_broken": moment("2011-04-02")}


def test_what_got_better_before_anybody_was_told_is_counted() -> None:
    state = folded(complained("2011-03-01", "a", "high"), resolved("2011-03-09", "a"))

    assert {kind: each.count for kind, each in signals.missed(state).items()} == {
        "complaint_unresolved": 1
    }


def test_a_signal_of_made_up_facts_says_so() -> None:
    made_up = replace(complained("2011-03-01", "a", "high"), source="simulator/sample-7")
    data = only(folded(made_up), "2011-03-05").data

    assert data["reason"].startswith("Simulated data: A complaint of high severity is not")
    assert data["simulated"] is True
    real = only(folded(complained("2011-03-01", "a", "high")), "2011-03-05").data
    assert "simulated" not in real


def test_a_signal_of_an_unknown_kind_is_shown_while_open() -> None:
    other = fact("2011-03-01", "churn_signal.raised", {"signal_id": "x", "kind": "moved_away"})
    state = folded(other)

    assert kinds(state, "2011-03-02") == ["moved_away"]
    assert signals.proposals(state, moment("2011-03-02")) == []
    assert signals.timers(state) == {}


def test_a_clearing_of_another_signal_changes_nothing() -> None:
    state = folded(*MONTHLY, recorded(only(folded(*MONTHLY), DUE)))
    other = fact("2011-08-01", "churn_signal.cleared", {"signal_id": "x", "kind": "silence"})

    assert step(state, other, POLICY) is state


def test_of_two_currencies_nothing_is_said_to_be_at_stake() -> None:
    state = folded(*MONTHLY[:2], bought("2011-03-02", currency="EUR"))

    assert "value_at_stake" not in only(state, "2012-01-01").data


SIGNAL_HISTORIES = st.lists(
    st.tuples(st.integers(0, 9000), st.sampled_from(SENSIBLE), st.integers(0, 600)), max_size=40
)


def lived(facts: tuple[Fact, ...], until: datetime) -> tuple[SignalState, list[Fact]]:
    """Fold in order of occurrence; after each fact and at each timer, record what is proposed."""
    state, seen, waiting = NO_SIGNALS, [], sorted(facts, key=lambda each: each.order)
    for _ in range(500):
        timers = signals.timers(state, POLICY).values()
        next_timer = min(timers, default=until)
        if waiting and waiting[0].occurred_at <= next_timer:
            now, fresh = waiting[0].occurred_at, [waiting.pop(0)]
        elif next_timer < until:
            now, fresh = next_timer, []
        else:
            return state, seen
        for each in fresh:
            state, seen = step(state, each, POLICY), [*seen, each]
        for each in signals.proposals(state, now, POLICY):
            made = fact(now.isoformat(), each.type, each.data)
            state, seen = step(state, made, POLICY), [*seen, made]
    pytest.fail("the timers never come to rest")


@given(SIGNAL_HISTORIES)
def test_timers_come_to_rest_and_nothing_stays_proposed(
    drawn: list[tuple[int, Template, int]],
) -> None:
    until = moment("2014-01-01")
    state, seen = lived(history(drawn), until)

    assert signals.proposals(state, until - timedelta(seconds=1), POLICY) == []
    assert not [due for due in signals.timers(state, POLICY).values() if due < until]
    raised = [each.data["signal_id"] for each in seen if each.type == "churn_signal.raised"]
    assert len(raised) == len(set(raised))


@given(SIGNAL_HISTORIES)
def test_a_signal_of_a_kind_is_raised_only_when_none_is_open(
    drawn: list[tuple[int, Template, int]],
) -> None:
    _, seen = lived(history(drawn), moment("2014-01-01"))
    is_open: dict[Any, bool] = {}
    for each in seen:
        if each.type.startswith("churn_signal."):
            raised = each.type == "churn_signal.raised"
            assert is_open.get(each.data["kind"], False) is not raised
            is_open[each.data["kind"]] = raised


@given(SIGNAL_HISTORIES)
def test_a_replay_says_the_same_as_living_through_it(
    drawn: list[tuple[int, Template, int]],
) -> None:
    state, seen = lived(history(drawn), moment("2014-01-01"))
    again = NO_SIGNALS
    for each in seen:
        again = step(again, each, POLICY)

    assert again == state


def test_a_return_long_after_does_not_turn_a_due_silence_into_a_missed_one() -> None:
    back = returned("2011-09-01", "1.00", order="order-2011-03-02")

    assert only(folded(*MONTHLY, back), "2011-09-02").type == "churn_signal.raised"


def test_between_the_clear_level_and_the_raise_level_an_open_signal_stays() -> None:
    """Bought on 20 April, at a gap of 47 days: on 21 July it is neither long nor over."""
    raised = recorded(only(folded(*MONTHLY), DUE))
    state = folded(*MONTHLY, raised, bought("2011-04-20", recorded="2011-08-01"))

    assert signals.proposals(state, moment("2011-08-02")) == []
    assert kinds(state, "2011-08-02") == ["silence"]


def test_a_signal_cleared_by_hand_was_told_and_is_not_missed() -> None:
    raised = recorded(only(folded(*MONTHLY), DUE))
    data = {"signal_id": raised.data["signal_id"], "kind": "silence", "reason": "called"}
    by_hand = fact("2011-07-25", "churn_signal.cleared", data)
    silent = folded(*MONTHLY, raised, by_hand)
    back = folded(*MONTHLY, raised, by_hand, bought("2011-08-01"))

    assert signals.proposals(silent, moment("2012-01-01")) == []
    assert signals.missed(back) == {}
