"""The library's subscription over our ledger: its LISTEN is its own, and comes back (P4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from infra.plumbing.ledger.answers import Stored
from infra.plumbing.ledger.ledger import Ledger

if TYPE_CHECKING:
    from conftest import MakeEvent

SOON_SECONDS = 10.0
LISTENERS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE query = 'LISTEN rapport_ledger' AND datname = current_database()"
)


def listener(conninfo: str, *, but: int = 0) -> int:
    """The server process that serves the one LISTEN; waited for until it is not `but`."""
    until = time.monotonic() + SOON_SECONDS
    with psycopg.connect(conninfo, autocommit=True) as watcher:
        while time.monotonic() < until:
            found = [pid for (pid,) in watcher.execute(LISTENERS).fetchall() if pid != but]
            if found:
                [pid] = found
                return pid
            time.sleep(0.02)
    raise AssertionError("nobody listens")


def test_listening_takes_none_of_the_pools_connections(
    conninfo: str, make_event: MakeEvent
) -> None:
    with Ledger.open(conninfo, connections=1) as ledger:
        ledger.recorder.datastore.pool.timeout = 2.0
        with ledger.recorder.subscribe(gt=0) as subscription:
            listener(conninfo)
            assert isinstance(ledger.append([make_event()])[0], Stored)
            assert next(subscription).id == 1


def test_a_listen_connection_that_broke_is_opened_again(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with ledger.recorder.subscribe(gt=0) as subscription:
        first = listener(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", [first])
        assert listener(conninfo, but=first) != first
        ledger.append([make_event()])
        assert next(subscription).id == 1


def test_a_listen_connection_ends_with_its_subscription(ledger: Ledger, conninfo: str) -> None:
    with ledger.recorder.subscribe(gt=0):
        listener(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as watcher:
        until = time.monotonic() + SOON_SECONDS
        while watcher.execute(LISTENERS).fetchall():
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_transaction_notifies_once_however_many_events_it_appends(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("LISTEN rapport_ledger")
        for number in (1, 3, 100):
            ledger.append([make_event() for _ in range(number)])
        ledger.append([])
        told = [
            (each.channel, each.payload)
            for each in connection.notifies(timeout=SOON_SECONDS, stop_after=3)
        ]
        more = list(connection.notifies(timeout=0.3))
    assert told == [("rapport_ledger", "")] * 3
    assert more == []


def test_what_stores_nothing_notifies_nobody(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    events = [make_event(), make_event()]
    ledger.append(events)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("LISTEN rapport_ledger")
        ledger.append(events)
        ledger.append(events[:1])
        assert list(connection.notifies(timeout=0.3)) == []
