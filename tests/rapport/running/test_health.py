"""`/healthz` and `/readyz` answer soon whatever the database does."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx2
import psycopg
import pytest
from anyio import to_thread
from fastapi.testclient import TestClient

from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.kept import LogRolledBack, write_refusal
from infra.plumbing.postgres.database import Database
from infra.plumbing.postgres.pool import address
from rapport.running.house import open_house
from rapport.running.serve import build_app

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres
    from infra.plumbing.settings import Settings
    from rapport.running.house import House


PATHS = ("/healthz", "/readyz")


@pytest.fixture
def house(settings: Settings) -> Generator[House]:
    """An open house over the fresh database."""
    with open_house(settings, what="health") as opened:
        yield opened


def database(conninfo: str) -> Database:
    return Database(conninfo, conninfo, conninfo, conninfo)


def test_a_platform_that_can_work_says_how_much_is_recorded(house: House) -> None:
    with TestClient(build_app(house)) as client:
        answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "recorded": 0}


def test_a_database_that_says_nothing_makes_us_unready_within_two_seconds(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        deaf = database(f"postgresql://nobody@127.0.0.1:{port}/nothing")
        with TestClient(build_app(replace(house, database=deaf))) as client:
            begun = monotonic()
            ready, alive = client.get("/readyz"), client.get("/healthz")
            taken = monotonic() - begun

    assert (ready.status_code, ready.json()["type"]) == (503, "unavailable")
    assert int(ready.headers["retry-after"]) >= 1
    assert alive.json() == {"status": "alive"}
    assert taken < 4


def test_a_database_that_refuses_makes_us_unready(house: House) -> None:
    gone = database("postgresql://nobody@127.0.0.1:1/nothing")
    with TestClient(build_app(replace(house, database=gone))) as client:
        assert client.get("/readyz").status_code == 503


def test_a_ledger_that_was_set_back_makes_us_unready(
    house: House, postgres_server: EmbeddedPostgres
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = NewEvent(uuid4(), "shop", "e-1", "note.taken", "1-0-0", at, b"{}", bytes(32))
    house.ledger.append([event])
    superuser = postgres_server.superuser_conninfo(address(house.database.conninfo).dbname)
    with TestClient(build_app(house)) as client:
        assert client.get("/readyz").json()["recorded"] == 1
        with psycopg.connect(superuser) as connection:
            connection.execute("UPDATE ledger.head SET size = 0, frontier = ''")
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "was set back" in answer.json()["detail"]


def test_we_are_alive_though_every_thread_waits_for_the_database(house: House) -> None:
    app = build_app(house)

    async def ask() -> int:
        threads = to_thread.current_default_thread_limiter()
        threads.total_tokens = 1
        await threads.acquire_on_behalf_of(object())
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = [await asyncio.wait_for(client.get(each), 5) for each in PATHS]
        return sum(answer.status_code == 200 for answer in answers)

    assert asyncio.run(ask()) == len(PATHS)


def test_the_ledgers_sessions_say_whose_they_are_and_give_up_a_vanished_peer(
    house: House, conninfo: str
) -> None:
    house.ledger.size()
    with psycopg.connect(conninfo) as connection:
        names = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchall()
    with house.ledger.recorder.datastore.get_connection() as ours:
        given = ours.info.get_parameters()

    assert ("rapport health ledger",) in names
    assert given["tcp_user_timeout"] == "15000"
    assert given["keepalives_idle"] == "30"


def test_a_log_that_the_signer_refuses_makes_us_unready_until_it_signs_again(house: House) -> None:
    folder = house.settings.checkpoints_path
    with TestClient(build_app(house)) as client:
        write_refusal(folder, LogRolledBack(4, 9))
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "holds 4 events, but a checkpoint of 9" in answer.json()["detail"]
        write_refusal(folder, None)
        assert client.get("/readyz").status_code == 200
