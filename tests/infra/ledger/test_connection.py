"""The ledger's connections read the same queries again, and hold little of what they read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.ledger import connection as module
from infra.plumbing.ledger.connection import MOST_KEPT_ROWS, LedgerConnection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import psycopg
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger

NUMBERS = b"SELECT number, 'a' FROM generate_series(1, %b::bigint) AS number"


@pytest.fixture
def connection(conninfo: str) -> Iterator[LedgerConnection]:
    with LedgerConnection.connect(conninfo, autocommit=True) as opened:
        yield opened


def test_each_reading_has_its_own_rows(connection: LedgerConnection) -> None:
    assert [len(connection.fetch(NUMBERS, (count,))) for count in (3, 0, 7)] == [3, 0, 7]
    assert connection.fetch(b"SELECT 'other'", ()) == [("other",)]
    assert connection.fetch(NUMBERS, (2,)) == [(1, "a"), (2, "a")]


def test_a_reading_that_failed_does_not_spoil_the_next(connection: LedgerConnection) -> None:
    query = b"SELECT 1 / %b::bigint"
    with pytest.raises(Exception, match="division by zero"):
        connection.fetch(query, (0,))
    assert connection.fetch(query, (1,)) == [(1,)]


def test_many_rows_are_not_held(connection: LedgerConnection) -> None:
    held: dict[bytes, psycopg.Cursor[Any]] = vars(connection)["_readers"]
    connection.fetch(NUMBERS, (MOST_KEPT_ROWS,))
    assert list(held) == [NUMBERS]
    connection.fetch(NUMBERS, (MOST_KEPT_ROWS + 1,))
    assert list(held) == []


class Watch:
    """Counts how often somebody looks whether the answer is there."""

    def __init__(self) -> None:
        self.looks = 0

    def poll(self, _: float) -> list[object]:
        self.looks += 1
        return []


def test_the_only_reader_watches_for_its_answer_a_moment_and_then_sleeps(
    connection: LedgerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOMENT_SECONDS", 0.05)
    watch = vars(connection)["_poll"] = Watch()
    assert connection.fetch(b"SELECT pg_sleep(0.2), 1", ())[0][1] == 1
    assert watch.looks


def test_an_interrupt_while_watching_leaves_no_connection_with_half_an_answer(
    connection: LedgerConnection,
) -> None:
    class Interrupt:
        def poll(self, _: float) -> None:
            raise KeyboardInterrupt

    vars(connection)["_poll"] = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        connection.fetch(b"SELECT pg_sleep(0.2)", ())
    assert connection.closed
    assert not vars(module)["_reading"]


def test_where_others_read_nobody_watches(connection: LedgerConnection, conninfo: str) -> None:
    with (
        LedgerConnection.connect(conninfo, autocommit=True) as other,
        ThreadPoolExecutor(1) as others,
    ):
        reading = others.submit(other.fetch, b"SELECT pg_sleep(0.5)", ())
        while not vars(module)["_reading"]:
            sleep(0.001)
        watch = vars(connection)["_poll"] = Watch()
        connection.fetch(b"SELECT 1", ())
        assert not reading.done()
    assert not watch.looks


def test_the_ledger_reads_over_them(ledger: Ledger) -> None:
    with ledger.recorder.datastore.get_connection() as connection:
        assert isinstance(connection, LedgerConnection)


def test_a_dropped_body_is_an_empty_state_to_the_library(
    ledger: Ledger, make_event: MakeEvent, intruder: psycopg.Connection[Any]
) -> None:
    event = make_event()
    stream: UUID = event.stream
    ledger.append([event])
    assert [each.state for each in ledger.recorder.select_events(stream)] == [event.body]
    intruder.execute("UPDATE ledger.rows SET body = NULL")
    for found in (
        ledger.recorder.select_events(stream),
        ledger.recorder.select_events(stream, gt=0),
        ledger.recorder.select_notifications(1, 10),
    ):
        assert [each.state for each in found] == [b""]
