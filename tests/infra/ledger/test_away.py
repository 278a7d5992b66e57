"""A ledger whose database is away says so soon; one that is there says what it knows."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from infra.plumbing.ledger import recorder
from infra.plumbing.ledger.answers import Conflict, Duplicate, Stored
from infra.plumbing.ledger.recorder import LedgerBusy
from infra.plumbing.postgres.pool import address

if TYPE_CHECKING:
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.supervisor import EmbeddedPostgres


def shut(server: EmbeddedPostgres, conninfo: str) -> None:
    """Let nobody into the database any more, and put out whoever is in."""
    name = address(conninfo).dbname
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name))
        connection.execute(close)
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )


def test_a_database_that_is_away_is_told_after_a_bounded_time(
    ledger: Ledger,
    conninfo: str,
    make_event: MakeEvent,
    postgres_server: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder, "PATIENCE_SECONDS", 0.2)
    ledger.recorder.datastore.pool.timeout = 0.3
    event = make_event()
    shut(postgres_server, conninfo)

    begun = monotonic()
    with pytest.raises(LedgerBusy):
        ledger.append([event])
    with pytest.raises(LedgerBusy):
        ledger.known([(event.source, event.event_id)])

    assert monotonic() - begun < 2  # unbounded, ten attempts would take 3 seconds each


def test_the_ledger_knows_what_is_stored_by_source_and_id(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    event = make_event("a")
    [stored] = ledger.append([event])
    assert isinstance(stored, Stored)

    known = ledger.known([("test", "a"), ("test", "b"), ("other", "a")])

    assert set(known) == {("test", "a")}
    assert known["test", "a"].against(event.content_mac) == Duplicate(stored.receipt)
    assert known["test", "a"].against(bytes(32)) == Conflict(stored.receipt)
