"""The signer at work: it signs when asked, goes on after a lost database, and tells a webhook."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from events.times import parse_time
from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.kept import LogRefused, LogRewritten, LogRolledBack, read_refusal
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.settings import load_settings
from rapport.running import signer, telling
from rapport.running.signer import DatabaseNotReady, SignerMayNot, Work, can_sign
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
    monkeypatch.setattr(telling, "LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(telling, "DEADLINE_SECONDS", 0.5)


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
        leaf = "SELECT leaf FROM ledger.events WHERE position = 1"
        with intruder.transaction():  # else its own reading may meet the hole before the head
            intruder.execute("DELETE FROM ledger.rows WHERE position = 2")
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


def test_a_user_who_may_not_add_checkpoints_is_told_which_setting_and_nothing_is_signed(
    conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    record(conninfo)
    with pytest.raises(SignerMayNot, match="rapport_signer in RAPPORT_DATABASE_SIGNER_URL"):
        Work(settings_of(tmp_path), conninfo, Event()).run(once=True)
    assert list(tmp_path.iterdir()) == []
    assert (can_sign(conninfo), can_sign(owner_conninfo)) == (False, True)
    assert can_sign(make_conninfo(conninfo, port="9")), "away is no refusal: it may come back"


def test_each_checkpoint_reaches_the_webhook_in_order_over_an_outage_and_restarts(
    conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    down = [True]

    def behave(_: Received) -> Behaviour:
        return Answer(503) if down[0] else OK

    with Sink(behave) as sink:
        settings = settings_of(tmp_path, sink.url)
        for size in (1, 2):
            with at_work(settings, owner_conninfo):
                record(conninfo)
                wait_for_size(conninfo, size, ask=True)
        tried = len(sink.received)
        down[0] = False
        with at_work(settings, owner_conninfo):
            sink.wait_for(lambda seen: len(seen.received) >= tried + 2)
        with at_work(settings, owner_conninfo):
            record(conninfo)
            wait_for_size(conninfo, 3, ask=True)
    taken = [received.body.decode() for received in sink.received[tried:]]
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT note FROM ledger.checkpoints ORDER BY size").fetchall()
    assert taken == [note for (note,) in rows][-len(taken) :]
    assert len(taken) >= 3


def test_a_log_that_goes_back_under_the_signer_ends_it_and_everybody_is_told(
    conninfo: str, owner_conninfo: str, tmp_path: Path, intruder: psycopg.Connection[Any]
) -> None:
    settings = settings_of(tmp_path)
    record(conninfo)
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    record(conninfo)
    refused: list[BaseException] = []

    def run() -> None:
        try:
            Work(settings, owner_conninfo, Event()).run(once=False)
        except LogRefused as error:
            refused.append(error)

    thread = Thread(target=run)
    thread.start()
    wait_for_size(conninfo, 2, ask=False)
    with intruder.transaction():
        intruder.execute("DELETE FROM ledger.rows WHERE position = 2")
        intruder.execute("UPDATE ledger.head SET size = 1, frontier = (TABLE saved)")
    thread.join(30)
    assert [str(error) for error in refused] == [read_refusal(settings.checkpoints_path)]
    assert "holds 1 events, but a checkpoint of 2" in str(refused[0])
    record(conninfo)
    with pytest.raises(LogRewritten):  # grown past it again: other events
        Work(settings, owner_conninfo, Event()).run(once=True)


def test_a_signer_started_anew_refuses_an_old_event_that_was_changed_every_time(
    conninfo: str, owner_conninfo: str, intruder: psycopg.Connection[Any], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    for _ in range(3):
        record(conninfo)
    Work(settings, owner_conninfo, Event()).run(once=True)
    intruder.execute("UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 1")
    record(conninfo)
    for _ in range(2):
        with pytest.raises(LogRewritten):
            Work(settings, owner_conninfo, Event()).run(once=True)
    assert read_refusal(settings.checkpoints_path)
