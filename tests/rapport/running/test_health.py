"""`/healthz` and `/readyz` answer soon whatever the database does."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import httpx2
import psycopg
import pytest
import structlog
from anyio import to_thread
from fastapi.testclient import TestClient

from infra.plumbing.ledger import covered
from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.covered import OVERDUE_SECONDS, CheckpointWatch, Covered
from infra.plumbing.ledger.kept import LogRolledBack, SignerKeyMissing, write_refusal
from infra.plumbing.postgres.database import Database
from infra.plumbing.postgres.pool import address, make_pool
from rapport.running.house import open_house
from rapport.running.serve import build_app, command_service, in_background, loops
from rapport.running.signer import Work
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.postgres.pool import Pool
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


def record(house: House) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = NewEvent(uuid4(), "shop", uuid4().hex, "note.taken", "1-0-0", at, b"{}", bytes(32))
    house.ledger.append([event])


def sign(house: House, owner_conninfo: str) -> None:
    """Let the signer sign what there is and leave."""
    Work(house.settings, owner_conninfo, Event()).run(once=True)


def checkpoint_told(house: House) -> dict[str, Any]:
    """What a platform that is ready says of its newest checkpoint."""
    with TestClient(build_app(house)) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    return answer.json()["checkpoint"]


def test_a_platform_that_can_work_says_how_much_is_recorded(house: House) -> None:
    with TestClient(build_app(house)) as client:
        answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "recorded": 0,
        "checkpoint": {
            "size": None,
            "age_seconds": None,
            "uncovered": 0,
            "waiting_seconds": 0.0,
            "overdue": False,
        },
    }


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
    record(house)
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


def test_a_signer_without_its_key_is_told_by_readyz_and_once_by_the_log(
    house: House, owner_conninfo: str, intruder: psycopg.Connection[Any]
) -> None:
    """Checkpoints stop, and nothing else does: the platform stays ready, with a warning."""
    key = house.settings.signer_key_path
    record(house)
    sign(house, owner_conninfo)
    away = key.rename(key.with_name("away"))
    record(house)
    record(house)
    with pytest.raises(SignerKeyMissing):
        sign(house, owner_conninfo)
    watch = CheckpointWatch(house.pool)
    assert not watch.look().overdue, "it may be late by a little"

    intruder.execute(
        "UPDATE ledger.rows SET recorded_at = recorded_at - interval '301 s' WHERE position = 2"
    )
    told = checkpoint_told(house)
    assert (told["size"], told["uncovered"], told["overdue"]) == (1, 2, True)
    assert 300 < told["waiting_seconds"] < 400
    assert "the signer does not work" in told["warning"]
    with structlog.testing.capture_logs() as logged:
        watch.look()
        watch.look()
        away.rename(key)
        sign(house, owner_conninfo)
        watch.look()
        watch.look()
    warnings = [line for line in logged if line["log_level"] == "warning"]
    assert [(line["event"], line["count"]) for line in warnings] == [
        ("checkpoints_overdue", 2),
        ("checkpoints_come_again", 0),
    ]
    assert checkpoint_told(house)["overdue"] is False
    assert "warning" not in checkpoint_told(house)


def test_a_log_that_was_never_signed_is_overdue_too(
    house: House, intruder: psycopg.Connection[Any]
) -> None:
    record(house)
    intruder.execute("UPDATE ledger.rows SET recorded_at = recorded_at - interval '1 day'")

    told = checkpoint_told(house)
    assert (told["size"], told["age_seconds"], told["uncovered"]) == (None, None, 1)
    assert told["overdue"] is True


def test_a_quiet_log_is_not_overdue_however_old_its_checkpoint_is(
    house: House, owner_conninfo: str, intruder: psycopg.Connection[Any]
) -> None:
    record(house)
    sign(house, owner_conninfo)
    intruder.execute("UPDATE ledger.checkpoints SET signed_at = signed_at - interval '1 day'")
    intruder.execute("UPDATE ledger.rows SET recorded_at = recorded_at - interval '1 day'")
    assert checkpoint_told(house)["age_seconds"] > 86_000
    assert checkpoint_told(house)["overdue"] is False

    record(house)
    told = checkpoint_told(house)
    assert (told["uncovered"], told["overdue"]) == (1, False), "the new event waits since just now"


@pytest.mark.parametrize(
    ("seen", "overdue"),
    [
        (Covered(5, 5, 1e6, 0.0), False),
        (Covered(5, 4, 1e6, OVERDUE_SECONDS), False),
        (Covered(5, 4, 1e6, OVERDUE_SECONDS + 1), True),
        (Covered(5, None, None, OVERDUE_SECONDS + 1), True),
    ],
)
def test_overdue_is_what_waits_too_long_and_not_what_is_old(
    seen: Covered, *, overdue: bool
) -> None:
    assert seen.overdue is overdue


def test_what_serves_http_watches_the_checkpoints_as_long_as_it_runs(
    house: House, intruder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covered, "LOOK_SECONDS", 0.01)
    record(house)
    intruder.execute("UPDATE ledger.rows SET recorded_at = recorded_at - interval '1 day'")
    with command_service(house) as command, structlog.testing.capture_logs() as logged:
        watching = [loop for loop in loops(house, command) if loop[0] == "checkpoints"]
        with in_background(watching):
            wait_until(lambda: any(line["event"] == "checkpoints_overdue" for line in logged))


def test_the_watch_outlives_a_session_that_the_server_ended_while_the_program_stood_still(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a laptop that slept between the query and the commit."""
    monkeypatch.setattr(covered, "LOOK_SECONDS", 0.02)
    stop, ended = Event(), list[str]()
    with make_pool(conninfo, name="watch") as pool:

        class Standing:
            """The pool, for a program that stands still in every transaction."""

            @contextmanager
            def connection(self) -> Generator[psycopg.Connection[Any]]:
                try:
                    with pool.connection() as connection:
                        connection.execute("SET idle_in_transaction_session_timeout = '50ms'")
                        yield connection
                        sleep(0.3)
                except psycopg.Error as error:
                    ended.append(type(error).__name__)
                    raise

        watch = Thread(target=CheckpointWatch(cast("Pool", Standing())).run, args=(stop,))
        watch.start()
        try:
            wait_until(lambda: len(ended) > 1 or not watch.is_alive())
            assert watch.is_alive()
            assert ended[0] == "IdleInTransactionSessionTimeout"
        finally:
            stop.set()
            watch.join(30)
