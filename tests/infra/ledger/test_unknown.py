"""The third outcome: asked to commit, never answered. Nobody is told what nobody knows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.plumbing.ledger import recorder
from infra.plumbing.ledger.answers import Duplicate
from infra.plumbing.ledger.errors import LedgerBusy, OutcomeUnknown
from infra.plumbing.ledger.ledger import Ledger

if TYPE_CHECKING:
    from conftest import MakeEvent, Wire


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger gives up soon: no attempt after 0.2 s, no lock after 1.5 s."""
    monkeypatch.setattr(recorder, "PATIENCE_SECONDS", 0.2)
    session = "infra.plumbing.ledger.persistence.SESSION"
    monkeypatch.setattr(session, (b"SET lock_timeout = 1500",))


def size(conninfo: str) -> int:
    """How many events stand there, asked past the wire."""
    with psycopg.connect(conninfo) as connection:
        [(number,)] = connection.execute("SELECT count(*) FROM ledger.events").fetchall()
    return number


def _wait_for_waiting(conninfo: str, number: int) -> None:
    """Until `number` sessions wait for a lock on the head row."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(conninfo, autocommit=True) as watcher:
        while watcher.execute(query).fetchone() != (number,):
            watcher.execute("SELECT pg_sleep(0.01)")


@pytest.mark.parametrize("number", [1, 3])
def test_a_commit_that_nobody_answers_ends_in_an_unknown_outcome_and_not_in_nothing_was_stored(
    wired_conninfo: str, wire: Wire, conninfo: str, make_event: MakeEvent, number: int
) -> None:
    events = [make_event(f"lost {each}") for each in range(number)]
    with Ledger.open(wired_conninfo) as ledger:
        ledger.append([make_event("warm")])
        ledger.recorder.datastore.pool.timeout = 0.3
        wire.cut_when_lost = True
        wire.lose_next_commit.set()

        with pytest.raises(OutcomeUnknown, match="not known whether"):
            ledger.append(events)
        assert wire.lost.is_set()
        assert size(conninfo) == number + 1  # stored: "nothing was" would have been false

        with pytest.raises(LedgerBusy, match="Nothing was stored") as caught:
            ledger.append([make_event("never sent")])
        assert not isinstance(caught.value, OutcomeUnknown)

        wire.cut.clear()
        ledger.recorder.datastore.pool.timeout = 10
        assert {type(outcome) for outcome in ledger.append(events)} == {Duplicate}
    assert size(conninfo) == number + 1


def test_a_lock_that_is_not_free_after_a_lost_commit_leaves_the_outcome_unknown(
    wired_conninfo: str, wire: Wire, conninfo: str, make_event: MakeEvent
) -> None:
    """The one lock is asked for by the append, then by `next_holder`, then by the second try."""
    lock = "SELECT size FROM ledger.head FOR UPDATE"
    with (
        Ledger.open(wired_conninfo) as ledger,
        psycopg.connect(conninfo) as holder,
        psycopg.connect(conninfo) as next_holder,
        ThreadPoolExecutor(2) as workers,
    ):
        ledger.append([make_event("warm")])
        wire.lose_next_commit.set()
        holder.execute(lock)
        appended = workers.submit(ledger.append, [make_event("lost")])
        _wait_for_waiting(conninfo, 1)
        locked = workers.submit(next_holder.execute, lock)
        _wait_for_waiting(conninfo, 2)
        holder.rollback()
        locked.result(timeout=10)

        with pytest.raises(OutcomeUnknown, match="not free in time"):
            appended.result(timeout=10)
        next_holder.rollback()
    assert size(conninfo) == 2
