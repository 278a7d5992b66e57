"""Promise P4: no reader skips or misses a committed event, whatever NOTIFY does."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING

import psycopg

from infra.plumbing.ledger.feed import LedgerFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MakeEvent, Wire

    from events.facts import Fact
    from infra.plumbing.ledger.ledger import Ledger

SOON_SECONDS = 10.0


def next_facts(batches: Iterator[list[Fact]]) -> list[Fact]:
    """The next batch that holds anything."""
    until = time.monotonic() + SOON_SECONDS
    for batch in batches:
        if batch:
            return batch
        assert time.monotonic() < until, "nothing came"
    raise AssertionError("the feed ended")


def test_a_feed_gives_everything_in_order_in_batches(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    ledger.append([make_event() for _ in range(5)])
    batches = LedgerFeed(ledger, conninfo).batches(1, 2, Event())
    seen = [[fact.position for fact in batch] for batch in islice(batches, 3)]
    assert seen == [[2, 3], [4, 5], []]


def test_a_feed_wakes_for_a_new_event_and_ends_when_told(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    stop = Event()
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, stop)
    assert next(batches) == []
    ledger.append([make_event()])
    assert [fact.position for fact in next_facts(batches)] == [1]
    stop.set()
    assert list(batches) == []


def test_an_event_committed_between_the_look_and_listen_is_seen(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, Event())
    assert next(batches) == []  # the look; LISTEN comes only with the next step
    ledger.append([make_event()])
    assert [fact.position for fact in next_facts(batches)] == [1]


def test_a_listen_connection_gone_silent_does_not_hold_the_feed_up(
    ledger: Ledger, wired_conninfo: str, wire: Wire, make_event: MakeEvent
) -> None:
    batches = LedgerFeed(ledger, wired_conninfo).batches(0, 10, Event())
    assert [next(batches), next(batches)] == [[], []]  # listening now, over the wire
    wire.silent.set()
    ledger.append([make_event()])
    assert [fact.position for fact in next_facts(batches)] == [1]


def test_a_feed_outlives_its_listen_connection(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, Event())
    assert [next(batches), next(batches)] == [[], []]
    with psycopg.connect(conninfo, autocommit=True) as killer:
        killed = killer.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE query = 'LISTEN rapport_ledger' AND datname = current_database()"
        ).fetchone()
    assert killed == (1,)
    ledger.append([make_event()])
    assert [fact.position for fact in next_facts(batches)] == [1]


def test_a_young_transaction_cannot_overtake_an_old_one(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    """The library without its lock skips here: the young one commits first with a later number."""
    batches = LedgerFeed(ledger, conninfo).batches(0, 10, Event())
    with psycopg.connect(conninfo) as old, ThreadPoolExecutor(1) as worker:
        old.execute("SELECT 1 FROM ledger.head FOR UPDATE")  # a slow old writer under way
        young = worker.submit(ledger.append, [make_event("young")])
        assert next(batches) == []
        assert not young.done()
        old.rollback()
        young.result(timeout=SOON_SECONDS)
    assert [fact.event_id for fact in next_facts(batches)] == ["young"]


def test_the_librarys_subscription_does_not_need_notify(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with ledger.recorder.subscribe(gt=0) as subscription:
        ledger.append([make_event()])
        assert next(subscription).id == 1
        with psycopg.connect(conninfo, autocommit=True) as killer:
            killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query = 'LISTEN rapport_ledger' AND datname = current_database()"
            )
        ledger.append([make_event()])
        assert next(subscription).id == 2
