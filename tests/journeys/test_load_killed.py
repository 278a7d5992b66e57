"""kill -9 in the middle of a load loses nothing, stores nothing twice, and folds to the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.database import open_database
from infra.plumbing.settings import load_settings
from rapport.samples import online_retail
from services.projections.discovery import find_read_models
from services.projections.worker import Worker

if TYPE_CHECKING:
    from conftest import Platform

KILLS = int(os.environ.get("RAPPORT_TEST_KILLS", "3"))


def start_load(platform: Platform) -> subprocess.Popen[bytes]:
    folder = str(platform.data_dir)
    return subprocess.Popen(
        [sys.executable, "-m", "rapport", "load", "online-retail", "--data-dir", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def recorded(platform: Platform) -> int:
    with platform.database() as connection:
        [(size,)] = connection.execute("SELECT size FROM ledger.head")
    return size


def wait_for(platform: Platform, size: int) -> None:
    until = time.monotonic() + 120
    while recorded(platform) < size:
        assert time.monotonic() < until
        time.sleep(0.02)


def fingerprints(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Of each read model's table and of the timers: a hash over their sorted rows."""
    names = [
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'read'"
            " AND table_type = 'BASE TABLE' AND table_name NOT IN ('checkpoints', 'versions')"
        )
    ]
    found: dict[str, str] = {}
    for name in names:
        query = sql.SQL(
            "SELECT count(*) || ' ' || md5(coalesce(string_agg(row, '' ORDER BY row), ''))"
            " FROM (SELECT t::text AS row FROM read.{} t) AS rows"
        ).format(sql.Identifier(name))
        [(found[name],)] = connection.execute(query)
    return found


def fold_afresh(connection: psycopg.Connection[Any], conninfo: str) -> None:
    """Empty the read models and fold the whole ledger again, in this process."""
    tables = [sql.Identifier("read", name) for name in (*fingerprints(connection), "checkpoints")]
    connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
    with Ledger.open(conninfo) as ledger:
        worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
        assert worker is not None
        with worker:
            while facts := ledger.facts_after(worker.position, 2000):
                worker.take(facts, system_clock())


@pytest.mark.timeout(1500)
def test_a_load_killed_and_repeated_is_whole(platform: Platform) -> None:
    platform.start()
    for kill in range(1, KILLS + 1):
        load = start_load(platform)
        wait_for(platform, min(40_000, recorded(platform) + 500 * kill))
        platform.stop(signal.SIGKILL)
        load.wait(120)
        platform.start()
    done = platform.rapport("load", "online-retail")
    assert done.returncode == 0, done.stdout + done.stderr
    assert platform.wait_until_folded() == online_retail.INVOICES
    with platform.database() as connection:
        [(events, ids)] = connection.execute(
            "SELECT count(*), count(DISTINCT (source, event_id)) FROM ledger.events"
            " WHERE source = 'online-retail'"
        )
        assert (events, ids) == (online_retail.INVOICES, online_retail.INVOICES)
    assert platform.stop() == 0
    with (
        open_database(load_settings(data_dir=platform.data_dir), what="pytest") as database,
        psycopg.connect(database.conninfo, autocommit=True) as connection,
    ):
        live = fingerprints(connection)
        fold_afresh(connection, database.conninfo)
        assert fingerprints(connection) == live
