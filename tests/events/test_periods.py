"""A period is whole days, both ends included."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import BadPeriod
from events.periods import parse_period, period_words

TODAY = date(2024, 3, 31)
days = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2011", date(2011, 1, 1), date(2011, 12, 31)),
        ("2011-Q1", date(2011, 1, 1), date(2011, 3, 31)),
        ("2011-Q4", date(2011, 10, 1), date(2011, 12, 31)),
        ("2012-02", date(2012, 2, 1), date(2012, 2, 29)),
        ("2011-01-15/2011-02-14", date(2011, 1, 15), date(2011, 2, 14)),
        ("2011-01-15/2011-01-15", date(2011, 1, 15), date(2011, 1, 15)),
        ("week", date(2024, 3, 25), TODAY),
        ("month", date(2024, 3, 1), TODAY),
        ("quarter", date(2024, 1, 1), TODAY),
        ("year", date(2023, 4, 1), TODAY),
        ("P90D", date(2024, 1, 2), TODAY),
        ("P1D", TODAY, TODAY),
        ("P12M", date(2023, 4, 1), TODAY),
        ("P1Y", date(2023, 4, 1), TODAY),
    ],
)
def test_a_period_is_read_into_its_days(text: str, first: date, last: date) -> None:
    period = parse_period(text, TODAY)
    assert (period.first, period.last) == (first, last)
    assert period.days == last.toordinal() - first.toordinal() + 1


@given(days, st.integers(1, 24))
def test_a_span_of_months_ends_with_the_event_and_spans_touch(day: date, months: int) -> None:
    period = parse_period(f"P{months}M", day)
    assert period.last == day
    assert 28 * months - 3 <= period.days <= 31 * months


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2011", "2011"),
        ("2011-Q4", "Q4 2011"),
        ("2011-11", "November 2011"),
        ("2011-01-15/2011-02-14", "15 January 2011 to 14 February 2011"),
        ("P90D", "90 days"),
        ("P1W", "1 week"),
        ("quarter", "3 months"),
        ("year", "1 year"),
    ],
)
def test_a_period_is_said_in_words(text: str, words: str) -> None:
    assert period_words(text) == words


@given(days)
def test_the_quarters_of_a_year_are_the_year(day: date) -> None:
    quarters = [parse_period(f"{day.year}-Q{n}", day).days for n in (1, 2, 3, 4)]
    assert sum(quarters) == parse_period(f"{day.year}", day).days


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last year",
        "2011-Q5",
        "2011-13",
        "2011-1",
        "11",
        "0000",
        "P0D",
        "P1H",
        "P-1D",
        "P9999Y",
        "2011-01-01",
        "2011-02-01/2011-01-01",
        "2011-02-30/2011-03-01",
        "2011-01-01/2011-02-01/2011-03-01",
        "2011\n",
        2011,
        None,
    ],
)
def test_anything_else_is_refused_with_a_cure(text: object) -> None:
    with pytest.raises(BadPeriod) as refused:
        parse_period(text, TODAY)
    assert refused.value.cure
