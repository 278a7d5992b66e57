"""Nothing of ours sleeps on when the database is back: within 30 s all is as before (P14)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.plumbing.ledger.answers import Stored
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.pool import make_pool

if TYPE_CHECKING:
    from conftest import MakeEvent, Wire

AWAY_SECONDS = 10.0
"""The library's pauses are 1, 2, 4 and 8 s by then: its next look would be 5 s away."""
BACK_SECONDS = 3.0


def test_ledger_and_pool_are_back_soon_after_a_longer_absence_of_the_database(
    wired_conninfo: str, wire: Wire, make_event: MakeEvent
) -> None:
    with Ledger.open(wired_conninfo) as ledger, make_pool(wired_conninfo, name="test") as pool:
        ledger.append([make_event()])
        wire.cut.set()
        until = monotonic() + AWAY_SECONDS
        while monotonic() < until:
            for each in (pool, ledger.recorder.datastore.pool):
                with pytest.raises(psycopg.Error), each.connection(timeout=0.1) as connection:
                    connection.execute("SELECT 1")
        wire.cut.clear()

        for each in (pool, ledger.recorder.datastore.pool):
            with each.connection(timeout=BACK_SECONDS) as connection:
                assert connection.execute("SELECT 1").rowcount == 1
        assert isinstance(ledger.append([make_event()])[0], Stored)
