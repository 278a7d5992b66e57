"""What an operator does to a living database does not stop appends: VACUUM, an index, a dump."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.plumbing.ledger.answers import Stored
from infra.plumbing.postgres.account import server_programs
from infra.plumbing.postgres.pool import address

if TYPE_CHECKING:
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.supervisor import EmbeddedPostgres

MOST_SECONDS = 5.0
"""The head lock is given up after 10: an append that waits for maintenance would take so long."""
HOLDS = (
    "SELECT count(*) FROM pg_locks WHERE relation = 'ledger.rows'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND granted AND mode = %s"
)


def wait_for_lock(conninfo: str, mode: str) -> None:
    """Until somebody holds the lock `mode` on the table of events."""
    until = monotonic() + 30
    with psycopg.connect(conninfo, autocommit=True) as watcher:
        while watcher.execute(HOLDS, [mode]).fetchone() == (0,):
            assert monotonic() < until, f"nobody holds {mode}"
            watcher.execute("SELECT pg_sleep(0.01)")


def appends(ledger: Ledger, make_event: MakeEvent, event_id: str) -> None:
    """One event and several go in without waiting for anybody."""
    begun = monotonic()
    outcomes = ledger.append([make_event(event_id)])
    outcomes += ledger.append([make_event() for _ in range(3)])
    assert {type(outcome) for outcome in outcomes} == {Stored}
    assert monotonic() - begun < MOST_SECONDS


@pytest.mark.timeout(120)
def test_appends_go_on_while_the_table_is_vacuumed(
    ledger: Ledger, conninfo: str, owner_conninfo: str, make_event: MakeEvent
) -> None:
    ledger.append([make_event(text="x" * 2_000) for _ in range(1_000)])
    with (
        ThreadPoolExecutor(1) as worker,
        psycopg.connect(owner_conninfo, autocommit=True) as vacuuming,
    ):
        vacuuming.execute("SET vacuum_cost_delay = 100")  # so that it takes its time
        vacuuming.execute("SET vacuum_cost_limit = 1")
        vacuum = worker.submit(vacuuming.execute, "VACUUM (FREEZE) ledger.rows")
        wait_for_lock(conninfo, "ShareUpdateExclusiveLock")
        appends(ledger, make_event, "while it is vacuumed")
        assert not vacuum.done()
        vacuuming.cancel()
        assert isinstance(vacuum.exception(timeout=30), psycopg.errors.QueryCanceled)


@pytest.mark.timeout(120)
def test_appends_go_on_while_an_index_is_built(
    ledger: Ledger, conninfo: str, owner_conninfo: str, make_event: MakeEvent
) -> None:
    ledger.append([make_event() for _ in range(10)])
    with (
        ThreadPoolExecutor(1) as worker,
        psycopg.connect(owner_conninfo, autocommit=True) as building,
        psycopg.connect(conninfo) as reader,
    ):
        # An open snapshot makes CREATE INDEX CONCURRENTLY wait half-way, holding its table lock.
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM ledger.events")
        index = "CREATE INDEX CONCURRENTLY by_type ON ledger.rows (type)"
        build = worker.submit(building.execute, index)
        wait_for_lock(conninfo, "ShareUpdateExclusiveLock")
        appends(ledger, make_event, "while it is indexed")
        assert not build.done()
        reader.rollback()
        build.result(timeout=60)
    assert ledger.size() == 14


@pytest.mark.timeout(120)
def test_appends_go_on_while_the_database_is_dumped(
    ledger: Ledger, conninfo: str, postgres_server: EmbeddedPostgres, make_event: MakeEvent
) -> None:
    """The dump's reader is slow, so pg_dump stands in the middle of the table of events."""
    before = [make_event(f"before-{number}", text="x" * 4_000) for number in range(1_000)]
    ledger.append(before)
    superuser = postgres_server.superuser_conninfo(address(conninfo).dbname)
    program = str(server_programs(None) / "pg_dump")
    with subprocess.Popen(
        [program, "--data-only", "--schema=ledger", superuser], stdout=subprocess.PIPE
    ) as dumping:
        assert dumping.stdout is not None
        wait_for_lock(conninfo, "AccessShareLock")
        begun = dumping.stdout.read(1)
        appends(ledger, make_event, "while-it-is-dumped")
        assert dumping.poll() is None
        dump = begun + dumping.stdout.read()
    assert dumping.returncode == 0
    assert all(event.event_id.encode() in dump for event in before)
    assert b"while-it-is-dumped" not in dump
    assert ledger.size() == len(before) + 4
