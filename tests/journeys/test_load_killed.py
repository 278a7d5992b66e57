"""kill -9 in the middle of a load loses nothing, stores nothing twice, and folds to the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.postgres.facts import DATABASE
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from rapport.samples import online_retail
from tests.faults.evidence import Evidence
from tests.faults.invariants import violations

if TYPE_CHECKING:
    from conftest import Platform

KILLS = 3


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


@pytest.mark.timeout(1500)
def test_a_load_killed_and_repeated_is_whole(platform: Platform) -> None:
    platform.start()
    for kill in range(1, KILLS + 1):
        load = start_load(platform)
        wait_for(platform, min(40_000, recorded(platform) + 500 * kill))
        if kill % 2:
            platform.kill_database()
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
    with EmbeddedPostgres(platform.data_dir, what="pytest") as server:
        evidence = Evidence(
            server.superuser_conninfo(DATABASE),
            platform.data_dir / "secrets" / "master.key",
            folder=platform.data_dir,
        )
        assert violations(evidence, ["I3", "I4", "I5", "I6", "I8"]) == []
