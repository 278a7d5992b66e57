"""The signer at work: it signs when asked, goes on after a lost database, and tells a webhook."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from events.times import parse_time
from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.kept import LogRolledBack
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.settings import load_settings
from rapport.running import signer
from rapport.running.signer import DatabaseNotReady, Work
from tests.services.notifier.sink import OK, Answer, Sink

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from infra.plumbing.settings import Settings
    from tests.services.notifier.sink import Behaviour, Received

ASK = b"NOTIFY rapport_sign"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signer, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(signer, "TELL_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(signer, "TELL_DEADLINE_SECONDS", 0.5)


@contextmanager
def at_work(settings: Settings, conninfo: str) -> Generator[None]:
    """The signer's loop in a thread; it must end by itself when told to stop."""
    stop = Event()
    thread = Thread(target=Work(settings, conninfo, stop).run, kwargs={"once": False})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def record(conninfo: str) -> None:
    event = NewEvent(
        stream=uuid4(),
        source="test",
        event_id=uuid4().hex,
        type="note.taken",
        schema="1-0-0",
        occurred_at=parse_time("2026-01-01T00:00:00Z"),
        body=b"{}",
        content_mac=bytes(32),
    )
    with Ledger.open(conninfo, connections=1) as ledger:
        ledger.append([event])


def settings_of(tmp_path: Path, url: str | None = None) -> Settings:
    return load_settings(data_dir=tmp_path, checkpoint_webhook_url=url)


def wait_for_size(conninfo: str, size: int, *, ask: bool) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(b"LISTEN rapport_ledger")
        for _ in range(600):
            if ask:
                connection.execute(ASK)
            row = connection.execute("SELECT max(size) FROM ledger.checkpoints").fetchone()
            if row == (size,):
                return
            list(connection.notifies(timeout=0.05, stop_after=1))
    pytest.fail(f"no checkpoint of {size}")


def test_it_signs_when_asked_and_what_is_left_at_the_end(
    conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    with at_work(settings_of(tmp_path), owner_conninfo):
        wait_for_size(conninfo, 0, ask=False)
        record(conninfo)
        wait_for_size(conninfo, 1, ask=True)
        record(conninfo)
    wait_for_size(conninfo, 2, ask=False)


def test_it_goes_on_when_its_connection_was_lost(
    conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    with at_work(settings_of(tmp_path), owner_conninfo):
        wait_for_size(conninfo, 0, ask=False)
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'rapport signer' AND datname = current_database()"
            )
        record(conninfo)
        wait_for_size(conninfo, 1, ask=True)


def test_a_log_set_back_under_it_is_refused_within_a_look(
    conninfo: str, owner_conninfo: str, intruder: psycopg.Connection[Any], tmp_path: Path
) -> None:
    for _ in range(2):
        record(conninfo)
    work = Work(settings_of(tmp_path), owner_conninfo, Event())
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work.run, once=False)
        wait_for_size(conninfo, 2, ask=False)
        intruder.execute("DELETE FROM ledger.events WHERE position = 2")
        leaf = "SELECT leaf FROM ledger.events WHERE position = 1"
        intruder.execute(f"UPDATE ledger.head SET size = 1, frontier = ({leaf})")
        try:
            with pytest.raises(LogRolledBack, match="holds 1 events, but a checkpoint of 2"):
                working.result(10)
        finally:
            work.stop.set()


@pytest.mark.parametrize("trouble", [Answer(500), "reset", "hang", "drip"])
def test_a_checkpoint_is_sent_until_it_is_taken(
    conninfo: str, owner_conninfo: str, tmp_path: Path, trouble: Behaviour
) -> None:
    def behave(received: Received) -> Behaviour:
        return OK if received.number > 2 else trouble

    with (
        Sink(behave) as sink,
        at_work(settings_of(tmp_path, sink.url), owner_conninfo),
    ):
        sink.wait_for(lambda seen: len(seen.received) == 3)
        record(conninfo)
        wait_for_size(conninfo, 1, ask=True)
        sink.wait_for(lambda seen: len(seen.received) == 4)
    bodies = [received.body for received in sink.received]
    assert bodies[0] == bodies[1] == bodies[2] != bodies[3]
    assert bodies[3] == (tmp_path / "checkpoints" / "latest.checkpoint").read_bytes()
    assert len(bodies) == 4


def test_a_database_that_nobody_prepared_is_told(empty_conninfo: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseNotReady, match="Start `rapport up`"):
        Work(settings_of(tmp_path), empty_conninfo, Event()).run(once=True)
