"""What happens in the middle of an append: a lost connection, a stop, an interrupt, a long wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from infra.plumbing.ledger import append, persistence, recorder
from infra.plumbing.ledger.answers import Duplicate, Stored
from infra.plumbing.ledger.errors import LedgerBusy
from infra.plumbing.ledger.exchange import Exchange
from infra.plumbing.ledger.ledger import Ledger
from tests.infra.ledger.test_append import check_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from conftest import MakeEvent

KILL = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


def in_the_middle(monkeypatch: pytest.MonkeyPatch, part: int, happens: Callable[[], Any]) -> None:
    """Let `happens` happen once, when so many parts of an append have been sent."""
    rows_of, done = append.rows_of, list[int]()

    def slowly(*given: Any, **named: Any) -> Generator[bytes]:
        for number, packed in enumerate(rows_of(*given, **named)):
            if number == part and not done:
                done.append(number)
                happens()
            yield packed

    monkeypatch.setattr(append, "rows_of", slowly)


@pytest.fixture(params=["killed", "idle"])
def cut(
    request: pytest.FixtureRequest,
    intruder: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], Any]:
    """Ends the connection of whoever appends: from outside, or by being idle for too long."""
    if request.param == "killed":
        return lambda: intruder.execute(KILL)
    impatient = b"SET idle_in_transaction_session_timeout = '100ms'"
    monkeypatch.setattr(persistence, "SESSION", (*persistence.SESSION, impatient))
    return lambda: sleep(0.5)


@pytest.mark.parametrize("part", [0, 1, 4])
def test_an_append_whose_connection_ends_in_the_middle_is_done_again_and_stored_once(
    cut: Callable[[], Any],
    conninfo: str,
    make_event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    with Ledger.open(conninfo) as ledger:
        for size in (2, 90, 700):
            in_the_middle(monkeypatch, part, cut)
            events = [make_event() for _ in range(size)]
            assert {type(outcome) for outcome in ledger.append(events)} == {Stored}
            assert {type(outcome) for outcome in ledger.append(events)} == {Duplicate}
    assert check_ledger(conninfo) == 2 + 90 + 700


@pytest.mark.parametrize("part", [0, 1, 4])
def test_an_interrupted_append_leaves_nothing_and_the_same_again_is_stored(
    ledger: Ledger,
    conninfo: str,
    make_event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    in_the_middle(monkeypatch, part, interrupt)
    events = [make_event() for _ in range(700)]
    with pytest.raises(KeyboardInterrupt):
        ledger.append(events)
    assert ledger.size() == 0
    assert {type(outcome) for outcome in ledger.append(events)} == {Stored}
    assert check_ledger(conninfo) == 700


def test_rows_are_stored_while_the_next_are_made(
    ledger: Ledger,
    make_event: MakeEvent,
    intruder: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look() -> None:
        until = monotonic() + 10
        while not bytes_stored(intruder):
            assert monotonic() < until, "the server keeps the rows back"
            sleep(0.01)

    in_the_middle(monkeypatch, 4, look)
    assert not bytes_stored(intruder)
    ledger.append([make_event() for _ in range(700)])


def bytes_stored(connection: psycopg.Connection[Any]) -> int:
    """Of the log's rows, of whatever transaction."""
    [(found,)] = connection.execute("SELECT pg_relation_size('ledger.rows')")
    return found


def test_whoever_interrupts_does_not_wait_for_the_lock(
    ledger: Ledger, conninfo: str, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    events = [make_event() for _ in range(90)]
    with psycopg.connect(conninfo) as holder:
        holder.execute("SELECT FROM ledger.head FOR UPDATE")
        monkeypatch.setattr(append, "_Head", interrupt)
        began = monotonic()
        with pytest.raises(KeyboardInterrupt):
            ledger.append(events)
        assert monotonic() - began < 5, "the lock is waited for ten seconds"


def test_a_writer_that_was_stopped_in_a_copy_holds_the_lock_no_longer_than_agreed(
    conninfo: str, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistence, "SESSION", (b"SET lock_timeout = '300ms'",))
    with psycopg.connect(conninfo, autocommit=True) as stopped, Ledger.open(conninfo) as ledger:
        exchange = Exchange(stopped)
        exchange.ask(b"BEGIN; SELECT FROM ledger.head FOR UPDATE")
        exchange.ask(b"COPY ledger.rows (position) FROM STDIN (FORMAT binary)")

        with pytest.raises(LedgerBusy, match="not free in time"):
            ledger.append([make_event()])
        monkeypatch.setattr(recorder, "STOPPED_SECONDS", 0.0)
        with pytest.raises(LedgerBusy, match="not free in time"):
            ledger.append([make_event()])

        assert isinstance(ledger.append([make_event()])[0], Stored)
        stopped.close()


@pytest.mark.parametrize("size", [1, 2])
def test_the_time_of_recording_is_read_when_the_lock_is_held(
    ledger: Ledger, conninfo: str, make_event: MakeEvent, size: int
) -> None:
    ledger.append([make_event()])
    with psycopg.connect(conninfo) as holder, ThreadPoolExecutor(1) as others:
        holder.execute("SELECT FROM ledger.head FOR UPDATE")
        waiter = others.submit(ledger.append, [make_event() for _ in range(size)])
        with psycopg.connect(conninfo, autocommit=True) as watcher:
            query = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while watcher.execute(query).fetchone() == (0,):
                sleep(0.01)
            [(free_at,)] = watcher.execute("SELECT clock_timestamp()").fetchall()
        holder.rollback()  # the row did not change: PostgreSQL computes nothing anew
        waiter.result(30)
    recorded = [fact.recorded_at for fact in ledger.facts_after(1)]
    assert all(isinstance(each, datetime) and each > free_at for each in recorded)


@pytest.mark.parametrize(
    "setting",
    ["standard_conforming_strings = off", "client_encoding = latin1", "bytea_output = escape"],
)
@pytest.mark.parametrize("size", [1, 12])
def test_no_setting_of_the_database_changes_what_is_stored(
    conninfo: str,
    intruder: psycopg.Connection[Any],
    make_event: MakeEvent,
    setting: str,
    size: int,
) -> None:
    intruder.execute(f"ALTER DATABASE {intruder.info.dbname} SET {setting}".encode())
    events = [make_event(f"ü{number}", text="ä") for number in range(size)]
    with Ledger.open(conninfo) as ledger:
        assert {type(outcome) for outcome in ledger.append(events)} == {Stored}
    assert check_ledger(conninfo) == size
    with psycopg.connect(conninfo) as reader:
        reader.execute("SET client_encoding = 'UTF8'")
        found = reader.execute("SELECT event_id FROM ledger.events ORDER BY position").fetchall()
    assert found == [(event.event_id,) for event in events]
