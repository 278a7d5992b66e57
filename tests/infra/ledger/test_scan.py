"""Reading the whole log by COPY gives what was written, in order, and stops at a hole."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import join_header, leaf_hash, microseconds
from infra.plumbing.ledger.keyed import Keyed
from infra.plumbing.ledger.rows import END, START
from infra.plumbing.ledger.scan import entries

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
        assert entry.body_digest == sha256(event.body).digest()
        keyed = Keyed(event)
        header = join_header(
            entry.stream,
            1,
            bytes(32),
            keyed.names,
            entry.occurred_at,
            entry.recorded_at,
            keyed.key_id,
        )
        assert entry.leaf == leaf_hash(header, entry.body_digest)


def test_a_part_of_the_log_is_read(ledger: Ledger, make_event: MakeEvent) -> None:
    ledger.append([make_event() for _ in range(10)])
    assert [entry.position for entry in ledger.scan(3, 6)] == [4, 5, 6]
    assert list(ledger.scan(10)) == []


def test_a_hole_stops_the_reading(ledger: Ledger, make_event: MakeEvent) -> None:
    ledger.append([make_event() for _ in range(3)])
    with ledger.recorder.datastore.get_connection() as connection:
        query = "COPY (SELECT position, version, occurred_at, recorded_at, stream, leaf,"
        query += " body_digest, source, event_id, type, schema, key_id, body FROM ledger.events"
        query += " WHERE position <> 2 ORDER BY position) TO STDOUT (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
            blocks = [bytes(block) for block in copy]
    assert blocks[0].startswith(START)
    assert END == b"\xff\xff"
    with pytest.raises(LedgerGap, match="After position 1 the ledger goes on at 3"):
        list(entries(blocks, 0))
