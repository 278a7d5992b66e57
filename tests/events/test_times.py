"""Times are RFC 3339 with an offset, and nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import BadTime
from events.times import format_time, parse_time

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001  # hypothesis asks for naive limits
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001  # the same
    timezones=offsets,
)


@given(instants)
def test_what_is_written_reads_back_as_the_same_instant(instant: datetime) -> None:
    text = format_time(instant)
    assert parse_time(text) == instant
    assert format_time(parse_time(text)) == text


@given(instants)
def test_an_instant_reads_the_same_at_any_offset(instant: datetime) -> None:
    read = parse_time(instant.isoformat())
    assert read == instant
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01t09:30:00z", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00+01:00", "2026-03-01T08:30:00Z"),
        ("2026-03-01T09:30:00-00:00", "2026-03-01T09:30:00Z"),
        ("2026-03-01T00:30:00+02:00", "2026-02-28T22:30:00Z"),
        ("2026-03-01T09:30:00.5Z", "2026-03-01T09:30:00.500000Z"),
        ("2026-03-01T09:30:00.000000Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00.123456789Z", "2026-03-01T09:30:00.123456Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_each_form_of_rfc_3339_is_read(text: str, written: str) -> None:
    assert format_time(parse_time(text)) == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (0, "epoch"),
        (1.5, "epoch"),
        ("-1", "epoch"),
        ("1291191960.25", "epoch"),
        (True, "not text"),
        (None, "not text"),
        ({}, "not text"),
        ("2026-03-01T09:30:00", "no offset"),
        ("2026-03-01T09:30", "no offset"),
        ("2026-03-01", "no offset"),
        ("2026-03-01 09:30:00", "no offset"),
        ("2026-03-01 09:30:00Z", "space"),
        ("2026-03-01T09:30:60Z", "leap second"),
        ("2026-13-01T09:30:00Z", "does not exist"),
        ("2023-02-29T09:30:00Z", "does not exist"),
        ("2026-03-01T24:00:00Z", "does not exist"),
        ("2026-03-01T09:60:00Z", "does not exist"),
        ("0000-01-01T00:00:00Z", "does not exist"),
        ("0001-01-01T00:00:00+01:00", "does not exist"),
        ("9999-12-31T23:59:59-01:00", "does not exist"),
        ("2026-03-01T09:30:00+25:00", "not RFC 3339"),
        ("2026-03-01T09:30:00+0100", "not RFC 3339"),
        ("2026-03-01T09:30Z", "not RFC 3339"),
        ("2026-03-01T09:30:00,5Z", "not RFC 3339"),
        ("2026-03-01T09:30:00.1234567890Z", "not RFC 3339"),
        ("20260301T093000Z", "not RFC 3339"),
        ("2026-W09-1T09:30:00Z", "not RFC 3339"),
        ("2026-03-01T09:30:00Z\n", "not RFC 3339"),
        (" 2026-03-01T09:30:00Z", "not RFC 3339"),
        ("٢026-03-01T09:30:00Z", "not RFC 3339"),
        ("yesterday", "not RFC 3339"),
        ("", "not RFC 3339"),
    ],
)
def test_anything_else_is_refused_with_a_cure(text: object, words: str) -> None:
    with pytest.raises(BadTime) as refused:
        parse_time(text)
    assert words in refused.value.message
    assert refused.value.cure


@given(st.text())
def test_any_text_is_read_or_refused_and_never_repeated(text: str) -> None:
    marked = f"{text}canary"
    with pytest.raises(BadTime) as refused:
        parse_time(marked)
    assert "canary" not in str(refused.value)


def test_a_naive_datetime_is_not_written() -> None:
    with pytest.raises(BadTime, match="no offset"):
        format_time(datetime(2026, 3, 1))  # noqa: DTZ001  # the naive time is the point
