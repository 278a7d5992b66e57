"""The lines of an explanation sum to the score shown; a change is split without a remainder."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projections.scoring.apportion import THOUSAND
from services.projections.scoring.complaints import KEPT_COMPLAINTS
from services.projections.scoring.examples import (
    ODD,
    SENSIBLE,
    Template,
    bought,
    complained,
    fact,
    history,
    moment,
    resolved,
    told,
)
from services.projections.scoring.explanation import Explained
from services.projections.scoring.health import (
    View,
    explain,
    explain_change,
    fold,
    in_order,
    score,
)
from services.projections.scoring.health_points import group_points
from services.projections.scoring.health_points import moment as scoring_moment
from services.projections.scoring.policy_reader import load_policy

if TYPE_CHECKING:
    from datetime import datetime

    from events.facts import Fact
    from services.projections.scoring.health_points import Moment

POLICY = load_policy()
Drawn = list[tuple[int, Template, int]]
HISTORIES = st.lists(
    st.tuples(st.integers(0, 9000), st.sampled_from((*SENSIBLE, *ODD)), st.integers(0, 2000)),
    max_size=60,
)
HOURS = st.integers(0, 12000)
MANY_COMPLAINTS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(("opened", "resolved", "reopened", "responded")),
        st.integers(0, 25),
    ),
    max_size=80,
)


def say(told_fact: Fact) -> str:
    return f"{told_fact.type} happened."


def sums_up(facts: tuple[Fact, ...], as_of: datetime, newest: dict[str, datetime] | None) -> None:
    health = score(fold(in_order(facts, as_of), POLICY), POLICY, as_of, newest)
    lines = explain(facts, POLICY, as_of, say, newest)
    if health.value is None:
        assert lines == []
        return
    by_group: dict[str | None, Decimal] = defaultdict(Decimal)
    for line in lines:
        by_group[line.group] += line.points
    assert sum(line.points for line in lines) == health.value
    assert {name: by_group[name] for name in health.groups} == health.groups


@given(HISTORIES, HOURS)
def test_lines_sum_to_the_score_for_any_history(drawn: Drawn, hours: int) -> None:
    as_of = moment("2011-01-01") + timedelta(hours=hours)

    sums_up(history(drawn), as_of, None)


@given(HISTORIES, HOURS, HOURS)
def test_lines_sum_to_the_score_with_dead_feeds_too(drawn: Drawn, hours: int, dead: int) -> None:
    begin = moment("2011-01-01")
    newest = {type_: begin + timedelta(hours=dead) for type_ in POLICY.feed_of}

    sums_up(history(drawn), begin + timedelta(hours=hours), newest)


@given(MANY_COMPLAINTS)
def test_lines_sum_to_the_score_with_more_complaints_than_are_kept(
    drawn: list[tuple[int, str, int]],
) -> None:
    facts = [bought("2011-01-01")]
    for day, what, key in drawn:
        at = moment("2011-01-01") + timedelta(days=day)
        facts.append(
            fact(
                at.isoformat(), f"complaint.{what}", {"complaint_id": f"c{key}", "severity": "low"}
            )
        )

    sums_up(told(*facts), moment("2012-06-01"), None)


def unrounded_lines_are_the_points(facts: tuple[Fact, ...], now: Moment) -> None:
    explained = Explained(POLICY, now, say)
    for each in facts:
        explained.read(each)
    totals: dict[str, float] = dict.fromkeys(POLICY.groups, 0.0)
    for line in explained.raw():
        totals[line.group] += line.points

    assert totals == pytest.approx(group_points(explained.state, POLICY, now), abs=1e-9)


@given(HISTORIES, HOURS, HOURS)
def test_the_lines_before_rounding_are_the_points_of_the_state(
    drawn: Drawn, hours: int, dead: int
) -> None:
    as_of = moment("2011-01-01") + timedelta(hours=hours)
    facts = tuple(in_order(history(drawn), as_of))
    last = facts[-1].occurred_at if facts else as_of
    newest = dict.fromkeys(POLICY.feed_of, last)
    later = as_of + timedelta(hours=dead)

    unrounded_lines_are_the_points(facts, scoring_moment(POLICY, later, newest))


@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("closing", [(), ("resolved",), ("responded", "resolved", "reopened")])
def test_complaints_that_are_no_longer_kept_still_have_their_lines(
    closing: tuple[str, ...], step: int
) -> None:
    facts = [bought("2010-12-31")]
    for place in range(2 * KEPT_COMPLAINTS):
        for hour, what in enumerate(("opened", *closing)):
            at = moment("2011-01-01") + timedelta(days=step * place, hours=hour)
            data = {"complaint_id": f"c{place}"}
            facts.append(fact(at.isoformat(), f"complaint.{what}", data))
    as_of = moment("2012-01-01")

    unrounded_lines_are_the_points(told(*facts), scoring_moment(POLICY, as_of, None))
    sums_up(told(*facts), as_of, None)


def test_every_line_says_what_it_comes_from() -> None:
    facts = told(bought("2011-01-01"), complained("2011-01-05"), resolved("2011-01-06"))
    lines = explain(facts, POLICY, moment("2011-01-10"), say)

    assert [(line.kind, line.rule, line.type) for line in lines] == [
        ("base", "base", None),
        ("event", "purchase", "purchase.completed"),
        ("state", "own_pace", None),
        ("event", "complaint", "complaint.opened"),
        ("event", "complaint_resolved", "complaint.resolved"),
    ]
    assert lines[1].event_id == facts[0].event_id
    assert lines[1].occurred_at == facts[0].occurred_at
    assert lines[3].points < 0 < lines[4].points
    assert lines[2].sentence == (
        "The last purchase was on 1 January 2011; this customer is expected to buy every 80 days."
    )


def test_what_a_cap_takes_is_a_line_of_its_own() -> None:
    many = [complained(f"2011-01-{day:02}", f"c{day}", "critical") for day in range(2, 12)]
    lines = explain(told(bought("2011-01-01"), *many), POLICY, moment("2011-01-12"), say)
    cap = next(line for line in lines if line.kind == "cap" and line.group == "experience")

    assert cap.points > 0
    assert cap.sentence == "The group experience is held at -35."


def test_an_open_complaint_and_many_contacts_are_told_as_state() -> None:
    contacts = [
        fact(f"2011-01-{day:02}", "contact.handled", {"direction": "inbound"})
        for day in range(2, 7)
    ]
    facts = told(bought("2011-01-01"), complained("2011-01-05"), *contacts)
    lines = explain(facts, POLICY, moment("2011-01-10"), say)
    states = {line.rule: line.sentence for line in lines if line.kind == "state"}

    assert states["complaint_ageing"] == "A complaint is still open, and weighs more with time."
    assert states["many_service_contacts"] == "4 or more of contact.handled within 30 days."


@given(HISTORIES, HOURS, HOURS, HOURS, HOURS)
def test_a_change_is_split_without_a_remainder(
    drawn: Drawn, begin: int, length: int, known: int, known_later: int
) -> None:
    facts = (*history(drawn), bought("2010-12-31"))
    zero = moment("2011-01-01")
    start = View(zero + timedelta(hours=begin), POLICY, zero + timedelta(hours=known))
    end = View(
        start.as_of + timedelta(hours=length), POLICY, zero + timedelta(hours=known + known_later)
    )
    change = explain_change(facts, start, end)

    assert change.start.value is not None
    assert change.end.value is not None
    assert change.split is not None
    assert change.change is not None
    assert sum(change.split.values()) == change.change == change.end.value - change.start.value
    assert change.change * THOUSAND == int(change.change * THOUSAND)


def test_causes_are_told_apart() -> None:
    late = complained("2011-01-20", "late", recorded="2011-03-01")
    facts = told(bought("2011-01-01"), late, complained("2011-02-10", "b"))
    noon = View(moment("2011-02-01"), POLICY, moment("2011-02-01"))
    aged = explain_change(facts[:1], noon, noon._replace(as_of=moment("2011-03-01"))).split
    behaved = explain_change(
        facts, noon, View(moment("2011-03-01"), POLICY, moment("2011-02-20"))
    ).split
    known = explain_change(facts, noon, noon._replace(known_at=moment("2011-03-01"))).split

    assert aged is not None
    assert behaved is not None
    assert known is not None
    assert [cause for cause, points in aged.items() if points] == ["ageing"]
    assert behaved["behaviour"] < 0
    assert behaved["lateness"] == 0
    assert [cause for cause, points in known.items() if points] == ["lateness"]


def test_from_nothing_there_is_no_change_to_split() -> None:
    change = explain_change(
        (), View(moment("2011-01-01"), POLICY), View(moment("2011-02-01"), POLICY)
    )

    assert change.change is None
    assert change.split is None
