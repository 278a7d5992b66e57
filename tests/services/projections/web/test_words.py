"""Figures as words: units, signs, and unknown that never reads as zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projections.web import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.2", "+1.200"),
        ("-0.31", "\N{MINUS SIGN}0.310"),
        (0, "0.000"),
        ("-0.0001", "0.000"),
        (None, "unknown"),
        ("NaN", "unknown"),
    ],
)
def test_points_carry_three_places_and_a_sign(value: object, said: str) -> None:
    assert words.points(value) == said


@given(st.decimals(min_value=-100, max_value=100, places=3))
def test_points_read_back_are_the_points(figure: Decimal) -> None:
    said = words.points(figure).replace("\N{MINUS SIGN}", "-")
    assert Decimal(said) == figure


@pytest.mark.parametrize(
    ("value", "said"),
    [("0.381", "38%"), (0, "0%"), (1.0, "100%"), (None, "unknown"), ("", "unknown")],
)
def test_an_unknown_share_is_a_word_and_never_zero(value: object, said: str) -> None:
    assert words.percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"amount": "1204.5", "currency": "GBP"}, "£1,204.50"),
        ({"amount": "-3", "currency": "EUR"}, "\N{MINUS SIGN}€3.00"),
        ({"amount": "12", "currency": "SEK"}, "12.00 SEK"),
        (None, "unknown"),
        ({}, "unknown"),
    ],
)
def test_money_carries_its_currency(value: object, said: str) -> None:
    assert words.money(value) == said


def test_whole_money_has_no_pence() -> None:
    assert words.whole_money({"amount": "118194.66", "currency": "GBP"}) == "£118,195"
    assert words.whole_money({}) == "unknown"


@pytest.mark.parametrize(
    ("days", "said"),
    [(-3, "0 days"), (1, "1 day"), (59.9, "59 days"), (61, "2 months"), (731, "2.0 years")],
)
def test_a_span_is_said_in_the_unit_a_person_would_use(days: float, said: str) -> None:
    assert words.span(days) == said


def test_times_are_said_in_utc() -> None:
    here = datetime(2011, 12, 9, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert words.instant(here) == "8 December 2011, 23:30 UTC"
    assert words.instant("2011-12-09T12:50:00Z") == "9 December 2011, 12:50 UTC"
    assert words.machine_time(datetime(2011, 12, 9, tzinfo=UTC)) == "2011-12-09T00:00:00Z"
    assert words.short_day(None) == "no date"


def test_a_machine_name_becomes_words() -> None:
    assert words.plain("complaint_unresolved") == "Complaint unresolved"
    assert words.plain("") == ""
