"""Reading the whole log gives what was written, in order, and stops at a hole."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest

from events.times import parse_time
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import NO_LEAF, Header, leaf_hash, microseconds, pack_header
from infra.plumbing.ledger.scan import scan

if TYPE_CHECKING:
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger


def test_the_log_is_read_as_it_was_written(ledger: Ledger, make_event: MakeEvent) -> None:
    events = [make_event(text="ä" * number) for number in range(120)]
    ledger.append(events[:1])  # by the function
    ledger.append(events[1:40])  # by COPY, looked up first
    ledger.append(events[40:])  # by COPY, not looked up
    read = list(ledger.scan())
    assert [entry.position for entry in read] == list(range(1, 121))
    facts = ledger.facts_after(0)
    for event, entry, fact in zip(events, read, facts, strict=True):
        assert (UUID(bytes=entry.stream), entry.body) == (event.stream, event.body)
        assert (entry.source, entry.event_id, entry.type) == ("test", event.event_id, event.type)
        assert (entry.schema, entry.key_id, entry.version) == (event.schema, "", 1)
        assert entry.occurred_at == microseconds(event.occurred_at)
        assert entry.recorded_at == microseconds(fact.recorded_at)
        texts = (event.source, event.event_id, event.type, event.schema)
        times = (event.occurred_at, fact.recorded_at)
        header = pack_header(Header(event.stream, 1, NO_LEAF, *texts, *times, event.key_id))
        assert entry.leaf == leaf_hash(header, sha256(event.body).digest())


def test_a_part_of_the_log_is_read(ledger: Ledger, make_event: MakeEvent) -> None:
    ledger.append([make_event() for _ in range(10)])
    assert [entry.position for entry in ledger.scan(3, 6)] == [4, 5, 6]
    assert list(ledger.scan(10)) == []


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_a_hole_stops_the_reading(
    ledger: Ledger,
    make_event: MakeEvent,
    intruder: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
) -> None:
    monkeypatch.setattr("infra.plumbing.ledger.scan.CHUNK", chunk)
    ledger.append([make_event() for _ in range(5)])
    intruder.execute("DELETE FROM ledger.rows WHERE position = 3")
    reading = ledger.scan()
    assert [next(reading).position, next(reading).position] == [1, 2]
    with pytest.raises(LedgerGap, match="After position 2 the ledger goes on at 4"):
        next(reading)


def test_an_event_whose_stream_was_taken_away_is_a_hole_to_every_reader_of_the_log(
    ledger: Ledger, make_event: MakeEvent, intruder: psycopg.Connection[Any]
) -> None:
    ledger.append([make_event() for _ in range(5)])
    intruder.execute("DELETE FROM ledger.streams WHERE number = 3")
    for read in (
        lambda: list(ledger.scan()),
        lambda: ledger.facts_after(0),
        lambda: ledger.recorder.select_notifications(1, 10),
    ):
        with pytest.raises(LedgerGap, match="After position 2 the ledger goes on at 4"):
            read()


def test_a_dropped_body_is_none_and_its_digest_stays(
    ledger: Ledger, make_event: MakeEvent, intruder: psycopg.Connection[Any]
) -> None:
    event = make_event()
    ledger.append([event])
    intruder.execute("UPDATE ledger.rows SET body = NULL, body_digest = sha256(body)")
    [entry] = ledger.scan()
    assert (entry.body, entry.body_digest) == (None, sha256(event.body).digest())


def test_times_before_2000_and_at_the_ends_of_time_are_read(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    times = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"]
    events = [make_event()._replace(occurred_at=parse_time(time)) for time in times]
    ledger.append(events)
    assert [entry.occurred_at for entry in ledger.scan()] == [
        microseconds(event.occurred_at) for event in events
    ]


def test_a_reading_that_is_given_up_leaves_the_connection_usable(
    conninfo: str, ledger: Ledger, make_event: MakeEvent
) -> None:
    ledger.append([make_event(text="x" * 2000) for _ in range(500)])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        reading = scan(connection)
        assert next(reading).position == 1
        reading.close()
        assert len(list(scan(connection))) == 500


def test_a_long_log_is_read_in_little_memory(ledger: Ledger, make_event: MakeEvent) -> None:
    ledger.append([make_event(text="x" * 4000) for _ in range(3000)])
    tracemalloc.start()
    try:
        assert sum(1 for _ in ledger.scan()) == 3000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
