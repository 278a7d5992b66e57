"""Two connections at once: a slow writer's lower position is never passed over (P4)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from infra.plumbing.ledger.answers import Stored
from infra.plumbing.ledger.append import Writer
from infra.plumbing.ledger.feed import LedgerFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MakeEvent

    from events.facts import Fact
    from infra.plumbing.ledger.answers import NewEvent
    from infra.plumbing.ledger.ledger import Ledger

SOON_SECONDS = 10.0
WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture(params=[1, 3], ids=["one event", "several"])
def number(request: pytest.FixtureRequest) -> int:
    """How many events the quick writer brings; one and several take different ways in."""
    return request.param


def begin(slow: psycopg.Connection[Any], event: NewEvent) -> int:
    """Let a slow writer append and not commit; the position it was given."""
    slow.execute("SELECT 1")
    outcome = Writer().append_within(slow, event)
    assert isinstance(outcome, Stored)
    return outcome.receipt.position


def wait_until_one_waits(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as watcher:
        while watcher.execute(WAITING).fetchone() != (1,):
            watcher.execute("SELECT pg_sleep(0.01)")


def read(batches: Iterator[list[Fact]], number: int) -> list[str]:
    """The ids of the next facts, until there are `number`."""
    found: list[str] = []
    while len(found) < number:
        found += [fact.event_id for fact in next(batches)]
    return found


@pytest.mark.timeout(60)
def test_what_a_slow_writer_commits_late_is_read_first(
    ledger: Ledger, conninfo: str, make_event: MakeEvent, number: int
) -> None:
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, Event())
    quick = [make_event(f"quick {each}") for each in range(number)]
    with psycopg.connect(conninfo) as slow, ThreadPoolExecutor(1) as worker:
        assert begin(slow, make_event("slow")) == 1
        appended = worker.submit(ledger.append, quick)
        wait_until_one_waits(conninfo)
        assert next(batches) == []  # neither: what is not committed, and what would pass over it
        slow.commit()
        outcomes = appended.result(timeout=SOON_SECONDS)

    positions = [each.receipt.position for each in outcomes if isinstance(each, Stored)]
    assert positions == list(range(2, number + 2))
    assert read(batches, number + 1) == ["slow", *(each.event_id for each in quick)]


@pytest.mark.timeout(60)
def test_what_a_slow_writer_takes_back_leaves_no_hole(
    ledger: Ledger, conninfo: str, make_event: MakeEvent, number: int
) -> None:
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, Event())
    quick = [make_event(f"quick {each}") for each in range(number)]
    with psycopg.connect(conninfo) as slow, ThreadPoolExecutor(1) as worker:
        begin(slow, make_event("slow"))
        appended = worker.submit(ledger.append, quick)
        wait_until_one_waits(conninfo)
        slow.rollback()
        outcomes = appended.result(timeout=SOON_SECONDS)

    positions = [each.receipt.position for each in outcomes if isinstance(each, Stored)]
    assert positions == list(range(1, number + 1))
    assert read(batches, number) == [each.event_id for each in quick]
