"""Explanation, stand, signals and shares as the customer page reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projections.web.customer_view import (
    read_missed,
    read_shares,
    read_signals,
    read_timeline,
)
from services.projections.web.errors import NotUnderstood
from services.projections.web.explanation import SHOWN_PER_GROUP, read_explanation
from services.projections.web.stand import read_as_of, read_stand
from tests.services.projections.web.fake import (
    AS_OF,
    CONTRIBUTIONS,
    SIGNALS,
    TIMELINE,
    UNKNOWN_WALLET,
    WALLET,
)

LINES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["event", "base", "state", "cap"]),
        "group": st.sampled_from([None, "rhythm", "experience"]),
        "points": st.decimals(-99, 99, places=3).map(str),
        "rule": st.just("rule"),
    }
)


@given(st.lists(LINES, max_size=40))
def test_grouping_loses_no_line_and_no_thousandth(lines: list[dict[str, Any]]) -> None:
    total = sum((Decimal(line["points"]) for line in lines), Decimal(0))
    read = read_explanation({"value": str(total), "contributions": lines})
    shown = [line for group in read.groups for line in [*group.shown, *group.folded, *group.limits]]
    assert len(shown) == read.lines == len(lines)
    assert sum((line.points for line in shown), Decimal(0)) == total
    assert sum((group.total for group in read.groups), Decimal(0)) == total
    assert read.adds_up


def test_lines_that_miss_the_score_by_a_thousandth_do_not_add_up() -> None:
    lines = [{"kind": "base", "points": "40.000"}, {"kind": "event", "points": "0.001"}]
    assert not read_explanation({"value": "40.000", "contributions": lines}).adds_up
    assert read_explanation({"value": 40.001, "contributions": lines}).adds_up


def test_small_lines_are_folded_and_limits_stay_in_the_open() -> None:
    read = read_explanation({"value": None, "contributions": CONTRIBUTIONS})
    base, rhythm, experience, advocacy = read.groups
    assert base.name == "base"
    assert len(rhythm.shown) == SHOWN_PER_GROUP + 1
    assert len(rhythm.folded) == 5
    assert max(line.points for line in rhythm.folded) <= min(
        line.points for line in rhythm.shown if line.kind == "event"
    )
    assert [line.kind for line in advocacy.limits] == ["cap"]
    assert advocacy.total == 12
    assert not experience.folded


def test_one_line_too_many_is_not_worth_folding() -> None:
    lines = [
        {"kind": "event", "group": "rhythm", "points": str(n)} for n in range(SHOWN_PER_GROUP + 1)
    ]
    assert not read_explanation({"value": None, "contributions": lines}).groups[0].folded


@pytest.mark.parametrize("text", ["2011-13-40", "yesterday", "1300000000", "2011-12-09T12:00:00"])
def test_an_instant_that_cannot_be_meant_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_as_of(text)
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59Z"])
def test_years_far_off_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match="1970 to 2100"):
        read_as_of(text)


def test_a_day_means_its_last_second() -> None:
    assert read_as_of("2011-06-30") == datetime(2011, 6, 30, 23, 59, 59, tzinfo=UTC)
    assert read_as_of("2011-06-30T12:00:00+01:00") == datetime(2011, 6, 30, 11, tzinfo=UTC)
    assert read_as_of("") is None


@pytest.mark.parametrize(
    ("position", "recorded", "complete", "percent"),
    [
        (0, 0, True, 100),
        (5, 5, True, 99),
        (999, 1000, False, 99),
        (1, 3, False, 33),
        (7, 5, True, 99),
    ],
)
def test_the_stand_says_how_much_is_counted_and_never_rounds_up(
    position: int, recorded: int, *, complete: bool, percent: int
) -> None:
    answer = {"as_of": "2011-12-09T12:50:00Z", "position": position, "policy_version": "default/1"}
    stand = read_stand(answer, {"recorded": recorded}, chosen=False, suggested=AS_OF)
    assert stand is not None
    assert (stand.complete, stand.percent) == (complete, percent)
    assert stand.because_old
    assert stand.own_choice == "9 December 2011"


def test_a_signal_says_whether_anybody_was_alerted() -> None:
    told = [(signal.kind, signal.told) for signal in read_signals({"items": SIGNALS})]
    assert told == [
        ("Complaint unresolved", "Alerted; due since 2 November 2011."),
        ("Silence", "Nobody was alerted: it was due before its facts were recorded here."),
    ]
    waiting = read_signals({"items": [{"kind": "silence", "status": "open"}]})
    assert [signal.told for signal in waiting] == ["Nobody has been alerted yet."]
    assert read_signals({"items": [{"kind": "silence", "status": "cleared"}]}) == []


def test_signals_that_came_too_late_are_counted() -> None:
    [missed] = read_missed({"missed": {"silence": {"count": 3, "last": "2010-11-04T00:00:00Z"}}})
    assert (missed.kind, missed.count) == ("Silence", 3)
    assert read_missed({}) == []


def test_an_unknown_share_keeps_its_question_and_has_no_figure() -> None:
    [share] = read_shares(UNKNOWN_WALLET)
    assert (share.value, share.low, share.high) == (None, None, None)
    assert share.next_question.endswith("?")
    assert [share.category for share in read_shares(WALLET)] == ["gifts", "stationery"]
    assert read_shares(WALLET)[0].evidence[1] == "12 purchases of ours in that year: £914.40."


def test_the_timeline_is_read_by_month_in_its_order() -> None:
    months = read_timeline({"items": TIMELINE})
    assert [month.title for month in months] == [
        "November 2011",
        "October 2011",
        "September 2011",
        "August 2011",
    ]
    assert [entry.position for month in months for entry in month.entries] == [
        item["position"] for item in TIMELINE
    ]
