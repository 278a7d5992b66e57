"""Timers and proposals in a real PostgreSQL: kept with the rows, fired once, asked for once."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import psycopg

from services.projections.discovery import find_read_models
from services.projections.scoring.examples import ADA, bought, fact, moment, returned, told
from services.projections.timers import fire_due
from services.projections.worker import Worker
from tests.services.projections.tiny import NOW, START, MemoryLedger, customer, said, words

if TYPE_CHECKING:
    import pytest


def hire(conninfo: str, *facts: Any) -> Worker:
    worker = Worker.hire(conninfo, [words(silence=True)], MemoryLedger(facts), threading.Event())
    assert worker is not None
    return worker


def timers(conninfo: str) -> dict[tuple[int, str], datetime]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT stream, kind, due_at FROM read.timers WHERE proposed_at IS NULL"
        )
        return {(row[0].int, row[1]): row[2] for row in rows}


def proposals(conninfo: str) -> list[tuple[str, str]]:
    with psycopg.connect(conninfo) as connection:
        query = "SELECT id, type FROM outbox.proposals ORDER BY id"
        return connection.execute(query).fetchall()


def test_a_timer_follows_the_folded_state(conninfo: str) -> None:
    facts = [said(1, 1, "a", 10), said(2, 2, "a", 10), said(3, 1, "b", 20), said(4, 2, "bye", 21)]
    with hire(conninfo) as worker:
        worker.take(facts[:2], START)
        due = START + timedelta(days=20)
        assert timers(conninfo) == {(1, "silence"): due, (2, "silence"): due}
        worker.take(facts[2:], START)
    assert timers(conninfo) == {(1, "silence"): START + timedelta(days=30)}


def test_only_a_due_timer_fires_and_only_once(conninfo: str) -> None:
    with hire(conninfo) as worker:
        worker.take([said(1, 1, "a", 10), said(2, 2, "a", 40)], START)
        now = START + timedelta(days=30)
        assert fire_due(worker, now) == 1
        assert proposals(conninfo) == [(f"{customer(1)}/raised", "churn_signal.raised")]
        assert fire_due(worker, now) == 0
    assert timers(conninfo) == {(2, "silence"): START + timedelta(days=50)}


def test_a_timer_fires_at_its_moment_and_not_a_breath_before(conninfo: str) -> None:
    with hire(conninfo) as worker:
        worker.take([said(1, 1, "a", 10)], START)
        due = timers(conninfo)[1, "silence"]
        assert fire_due(worker, due - timedelta(microseconds=1)) == 0
        assert timers(conninfo) == {(1, "silence"): due}
        assert fire_due(worker, due) == 1
    assert timers(conninfo) == {}


def test_a_timer_set_anew_fires_anew_and_asks_for_the_same_event_once(conninfo: str) -> None:
    with hire(conninfo) as worker:
        worker.take([said(1, 1, "a", 10)], START)
        fire_due(worker, NOW)
        worker.take([said(2, 1, "b", 40)], START)
        assert timers(conninfo) == {(1, "silence"): START + timedelta(days=50)}
        assert fire_due(worker, NOW) == 1
    assert len(proposals(conninfo)) == 1


def test_what_has_ended_is_proposed_with_the_batch_but_nothing_begins_there(conninfo: str) -> None:
    with hire(conninfo) as worker:
        worker.take([said(1, 1, "bye", 10), said(2, 2, "a", 10)], NOW)
    assert proposals(conninfo) == [(f"{customer(1)}/cleared", "churn_signal.cleared")]


def test_a_proposal_carries_what_the_command_service_needs(conninfo: str) -> None:
    with hire(conninfo) as worker:
        worker.take([said(1, 1, "a", 10)], START)
        fire_due(worker, NOW)
    with psycopg.connect(conninfo) as connection:
        [row] = connection.execute(
            "SELECT stream, occurred_at, data, recorded_at FROM outbox.proposals"
        ).fetchall()
    assert (row[0], row[1], row[3]) == (customer(1), NOW, None)
    assert orjson.loads(row[2]) == {"kind": "silence"}


def test_many_due_timers_fire_in_several_transactions(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.projections.timers.AT_ONCE", 3)
    with hire(conninfo) as worker:
        worker.take([said(at, at, "a", 10) for at in range(1, 9)], START)
        assert fire_due(worker, NOW) == 8
    assert len(proposals(conninfo)) == 8


def test_the_timer_of_a_silence_is_set_again_when_what_ended_it_comes_back(conninfo: str) -> None:
    facts = told(
        *(bought(f"2011-0{month}-01") for month in (1, 2, 3)),
        fact("2011-07-20", "churn_signal.raised", {"signal_id": "s", "kind": "silence"}),
        bought("2011-08-01", order="b"),
        fact("2011-08-02", "churn_signal.cleared", {"signal_id": "s", "kind": "silence"}),
        returned("2011-08-09", "20.00", order="b"),
    )
    (churn,) = (one for one in find_read_models() if one.model.name == "churn_signals")
    worker = Worker.hire(conninfo, [churn], MemoryLedger(facts), threading.Event())
    assert worker is not None
    with worker:
        worker.take(facts[:-1], moment("2011-08-02"))
        assert fire_due(worker, moment("2011-08-10")) == 0
        worker.take(facts[-1:], moment("2011-08-09"))
        assert timers(conninfo) == {(ADA.int, "silence"): moment("2011-08-09")}
        assert fire_due(worker, moment("2011-08-10")) == 1
        assert fire_due(worker, moment("2011-08-10")) == 0
    assert [kind for _, kind in proposals(conninfo)] == ["churn_signal.raised"]
