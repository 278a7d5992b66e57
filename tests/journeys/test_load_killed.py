"""kill -9 in the middle of a load loses nothing, stores nothing twice, and folds to the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from itertools import count
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

import httpx2
import orjson
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


class Witness:
    """Sends reviews one by one and keeps, outside, the receipt of each that was acknowledged."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._key = platform.key("emitter", "witness")
        self._stop = Event()
        self._thread = Thread(target=self._send_all, daemon=True)
        self.receipts: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send_all(self) -> None:
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/cloudevents+json",
        }
        with httpx2.Client(headers=headers, timeout=10, trust_env=False) as client:
            for number in count():
                if self._stop.is_set():
                    return
                with contextlib.suppress(httpx2.TransportError):
                    answer = client.post(f"{self._platform.url}/v1/events", content=review(number))
                    if answer.status_code in {200, 201}:
                        told = answer.json()
                        self.receipts[told["id"]] = (told["position"], told["leaf"])


def review(number: int) -> bytes:
    review_id = f"r-{number}"
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"w-{number}",
            "source": "witness",
            "type": "review.published",
            "time": "2026-01-01T00:00:00Z",
            "subject": f"crm:witness-{number % 7}",
            "data": {
                "review_id": review_id,
                "platform": "own",
                "rating": 4,
                "rating_max": 5,
                "outside": False,
            },
        }
    )


def stored_receipts(platform: Platform) -> dict[str, tuple[int, str]]:
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT event_id, position, encode(leaf, 'base64') FROM ledger.events"
            " WHERE source = 'witness'"
        )
        return {event_id: (position, leaf) for event_id, position, leaf in rows}


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


@pytest.mark.faults
@pytest.mark.timeout(6000)
def test_a_load_killed_and_repeated_is_whole(platform: Platform) -> None:
    platform.start()
    with Witness(platform) as witness:
        for kill in range(1, KILLS + 1):
            load = start_load(platform)
            wait_for(platform, min(40_000, recorded(platform) + 500 * (kill % 40)))
            if kill % 2:
                platform.kill_database()
            platform.stop(signal.SIGKILL)
            load.wait(120)
            platform.start()
    assert witness.receipts
    stored = stored_receipts(platform)
    assert {name: stored.get(name) for name in witness.receipts} == witness.receipts
    done = platform.rapport("load", "online-retail")
    assert done.returncode == 0, done.stdout + done.stderr
    assert platform.wait_until_folded() == online_retail.INVOICES + len(stored)
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
