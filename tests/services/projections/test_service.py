"""The worker loop: keeps going, never passes a fact it cannot fold, says where it stands."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from structlog.testing import capture_logs

from services.projections import service
from services.projections.service import run_worker
from tests.services.projections.tiny import NOW, MemoryLedger, customer, lines, said, words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE_SECONDS = 20


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition; fail if it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not happen"
        pause.wait(0.02)


def checkpoint(conninfo: str, name: str = "words_v1") -> int:
    with psycopg.connect(conninfo) as connection:
        try:
            row = connection.execute(
                "SELECT position FROM read.checkpoints WHERE name = %s", (name,)
            ).fetchone()
        except psycopg.errors.UndefinedTable:
            return -1
        return row[0] if row else -1


@contextmanager
def working(conninfo: str, ledger: Any) -> Generator[list[Any]]:
    """A worker at work in a thread; what it logs."""
    stop = threading.Event()
    found = (words(silence=True), lines())
    with capture_logs() as logs:
        thread = threading.Thread(
            target=run_worker, args=(conninfo, found, ledger, ledger, stop, lambda: NOW)
        )
        thread.start()
        try:
            yield logs
        finally:
            stop.set()
            thread.join(timeout=PATIENCE_SECONDS)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(service, "LONGEST_PAUSE_SECONDS", 0.1)


def test_it_folds_what_is_there_and_what_comes(conninfo: str) -> None:
    ledger = MemoryLedger([said(1, 1, "a", 1), said(2, 1, "b", 2)])
    with working(conninfo, ledger):
        until(lambda: checkpoint(conninfo) == 2)
        ledger.facts.append(said(3, 1, "c", 3))
        until(lambda: checkpoint(conninfo) == 3)


def test_caught_up_it_fires_what_is_due(conninfo: str) -> None:
    with working(conninfo, MemoryLedger([said(1, 1, "a", 1)])):
        until(lambda: _count(conninfo, "SELECT count(*) FROM outbox.proposals") == 1)


def test_while_it_is_behind_it_fires_nothing(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two facts fill a batch; the third, still unread, ends what a timer waits for."""
    monkeypatch.setattr(service, "BATCH", 2)
    told = [said(1, 1, "a", 1), said(2, 2, "a", 1), said(3, 1, "bye", 2)]
    with working(conninfo, MemoryLedger(told)):
        raised = "SELECT count(*) FROM outbox.proposals WHERE type = 'churn_signal.raised'"
        until(lambda: _count(conninfo, raised) > 0)
        until(lambda: checkpoint(conninfo) == 3)
    with psycopg.connect(conninfo) as connection:
        query = "SELECT stream FROM outbox.proposals WHERE type = 'churn_signal.raised'"
        assert connection.execute(query).fetchall() == [(customer(2),)]


def test_it_stops_before_a_fact_that_cannot_be_folded_and_goes_on_when_it_can(
    conninfo: str,
) -> None:
    ledger = MemoryLedger([said(1, 1, "a", 1), said(2, 2, "boom", 2), said(3, 3, "c", 3)])
    with working(conninfo, ledger) as logs:
        until(lambda: sum(log["event"] == "projections.fold_failed" for log in logs) > 1)
        assert checkpoint(conninfo) == checkpoint(conninfo, "lines_v1") == 1
        ledger.facts[1] = said(2, 2, "cured", 2)
        until(lambda: checkpoint(conninfo) == 3)
    told = next(log for log in logs if log["event"] == "projections.fold_failed")
    assert (told["model"], told["position"], told["event_type"]) == ("words", 2, "word.said")
    assert (told["cause"], told["log_level"]) == ("ValueError", "error")
    assert "boom" not in str(told)


def test_it_begins_again_when_its_connection_is_lost(conninfo: str) -> None:
    ledger = MemoryLedger([said(1, 1, "a", 1)])
    with working(conninfo, ledger) as logs:
        until(lambda: checkpoint(conninfo) == 1)
        killed = _count(
            conninfo,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'rapport projections' AND datname = current_database()",
        )
        assert killed == 1
        ledger.facts.append(said(2, 1, "b", 2))
        until(lambda: checkpoint(conninfo) == 2)
    assert {log["event"] for log in logs} == {"projections.database_failed"}


def test_a_hole_in_the_feed_is_told_and_nothing_is_folded_past_it(conninfo: str) -> None:
    ledger = MemoryLedger([said(1, 1, "a", 1), said(3, 1, "c", 3)])
    with working(conninfo, ledger) as logs:
        until(lambda: any(log["event"] == "projections.stopped" for log in logs))
    assert checkpoint(conninfo) == 0


def _count(conninfo: str, query: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else 0
