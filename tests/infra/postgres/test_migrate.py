"""Each numbered file is applied once, whole, in order, and never changes afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from threading import Event
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import (
    DatabaseUnreachable,
    MigrationChanged,
    MigrationFailed,
    MigrationMisnamed,
    MigrationOutOfOrder,
)
from infra.plumbing.ledger.answers import Duplicate, NewEvent, Stored
from infra.plumbing.ledger.append import Writer
from infra.plumbing.postgres.migrate import FOLDER, migrate, migrations

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.ledger.answers import Outcome

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('f')}.sql").write_bytes(text.encode())
    return folder


def names(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as conn:
        rows = conn.execute("SELECT name FROM ops.migrations ORDER BY number").fetchall()
    return [row[0] for row in rows]


def exists(conninfo: str, table: str) -> bool:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    return row == (True,)


def test_files_are_applied_in_order_and_only_once(empty_conninfo: str, tmp_path: Path) -> None:
    put(
        tmp_path,
        f0002_pre_more="ALTER TABLE t ADD b int; ALTER TABLE t ADD c int;",
        f0001_pre_first="CREATE TABLE t (a int);",
    )
    applied = [migration.name for migration in migrate(empty_conninfo, tmp_path)]
    assert applied == ["0001_pre_first.sql", "0002_pre_more.sql"]
    assert names(empty_conninfo) == applied
    assert migrate(empty_conninfo, tmp_path) == []
    put(tmp_path, f0010_post_later="ALTER TABLE t DROP b;")
    assert [migration.number for migration in migrate(empty_conninfo, tmp_path)] == [10]


def test_programs_starting_together_apply_each_file_once(
    empty_conninfo: str, tmp_path: Path
) -> None:
    put(tmp_path, f0001_pre_first="CREATE TABLE t (a int); SELECT pg_sleep(0.1);")
    with ThreadPoolExecutor(4) as together:
        done = list(together.map(migrate, [empty_conninfo] * 4, [tmp_path] * 4))
    assert sorted(len(applied) for applied in done) == [0, 0, 0, 1]


def test_a_failing_file_leaves_nothing_and_is_named_with_its_line(
    empty_conninfo: str, tmp_path: Path
) -> None:
    put(
        tmp_path,
        f0001_pre_good="CREATE TABLE good (a int);",
        f0002_pre_bad="CREATE TABLE half (a int);\n-- é\nALTER TABEL half ADD b int;\n",
    )
    with pytest.raises(MigrationFailed, match=r"0002_pre_bad\.sql, line 3, failed: syntax error"):
        migrate(empty_conninfo, tmp_path)
    assert names(empty_conninfo) == ["0001_pre_good.sql"]
    assert not exists(empty_conninfo, "half")
    put(tmp_path, f0002_pre_bad="CREATE TABLE half (a int);")
    assert len(migrate(empty_conninfo, tmp_path)) == 1


def test_a_changed_file_is_refused_but_other_line_ends_are_no_change(
    empty_conninfo: str, tmp_path: Path
) -> None:
    put(tmp_path, f0001_pre_first="CREATE TABLE t (\n a int\n);\n")
    migrate(empty_conninfo, tmp_path)
    put(tmp_path, f0001_pre_first="CREATE TABLE t (\r\n a int\r\n);\r\n")
    assert migrate(empty_conninfo, tmp_path) == []
    put(tmp_path, f0001_pre_first="CREATE TABLE t (\n a bigint\n);\n", f0002_pre_b="SELECT 1")
    with pytest.raises(MigrationChanged, match=r"0001_pre_first\.sql was changed"):
        migrate(empty_conninfo, tmp_path)
    assert names(empty_conninfo) == ["0001_pre_first.sql"]


def test_a_database_ahead_of_the_program_is_refused(empty_conninfo: str, tmp_path: Path) -> None:
    put(tmp_path, f0001_pre_a="SELECT 1", f0002_pre_newer="SELECT 1")
    migrate(empty_conninfo, tmp_path)
    (tmp_path / "0002_pre_newer.sql").unlink()
    with pytest.raises(MigrationOutOfOrder, match=r"0002_pre_newer\.sql.*newer release"):
        migrate(empty_conninfo, tmp_path)


def test_a_file_numbered_below_the_last_applied_is_refused(
    empty_conninfo: str, tmp_path: Path
) -> None:
    put(tmp_path, f0001_pre_a="SELECT 1", f0003_pre_c="SELECT 1")
    migrate(empty_conninfo, tmp_path)
    put(tmp_path, f0002_pre_late="CREATE TABLE late (a int)")
    with pytest.raises(MigrationOutOfOrder, match=r"0002_pre_late\.sql comes before .* 0003"):
        migrate(empty_conninfo, tmp_path)
    assert not exists(empty_conninfo, "late")


def test_a_post_file_may_ask_for_no_transaction(empty_conninfo: str, tmp_path: Path) -> None:
    concurrently = "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);"
    put(tmp_path, f0001_pre_a="CREATE TABLE t (a int)", f0002_post_index=concurrently)
    assert len(migrate(empty_conninfo, tmp_path)) == 2
    assert exists(empty_conninfo, "t_a")
    put(tmp_path, f0003_pre_index=concurrently.replace("t_a", "t_b"))
    with pytest.raises(MigrationFailed, match="cannot run inside a transaction block"):
        migrate(empty_conninfo, tmp_path)


@pytest.mark.parametrize("name", ["1_pre_a", "0001_a", "0001_during_a", "0001_pre_A", "0001_pre_"])
def test_a_misnamed_file_is_refused(name: str, tmp_path: Path) -> None:
    put(tmp_path, **{name: "SELECT 1"})
    with pytest.raises(MigrationMisnamed, match=rf"{name}\.sql is no migration's name"):
        migrations(tmp_path)


def test_a_number_used_twice_is_refused(tmp_path: Path) -> None:
    put(tmp_path, f0001_pre_a="SELECT 1", f0001_pre_b="SELECT 1")
    with pytest.raises(MigrationMisnamed, match="the same number"):
        migrations(tmp_path)


def test_a_user_who_may_not_create_schemas_is_told_so(empty_conninfo: str, tmp_path: Path) -> None:
    not_ours = make_conninfo(empty_conninfo, dbname="postgres")
    with pytest.raises(MigrationFailed, match="may not create schemas"):
        migrate(not_ours, tmp_path)


def test_an_unreachable_database_is_said_so(empty_conninfo: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable):
        migrate(make_conninfo(empty_conninfo, dbname="nowhere"), tmp_path)


def test_the_products_own_files_are_well_named_and_apply(conninfo: str) -> None:
    assert names(conninfo) == [migration.name for migration in migrations()]
    assert all(len(migration.sha256) == 32 for migration in migrations(FOLDER))


def as_a_release_before(conninfo: str, folder: Path, number: int) -> None:
    """Bring the database to the shape it had before the migration of this number."""
    for each in migrations():
        if each.number < number:
            (folder / each.name).write_bytes(each.text)
    migrate(conninfo, folder)


def test_what_a_release_before_withheld_keeps_its_key_as_its_own(
    empty_conninfo: str, tmp_path: Path
) -> None:
    """Or the key would outlive the event, as nothing else names it."""
    as_a_release_before(empty_conninfo, tmp_path, 19)
    with psycopg.connect(empty_conninfo) as conn:
        for event, person in (("withheld", uuid4()), ("early", None)):
            conn.execute(
                "INSERT INTO ops.quarantine (source, event_id, type, schema, stream, key_id,"
                " occurred_at, reason, content_mac, body, person) VALUES ('shop', %s, 'note.taken',"
                " '1-0-0', gen_random_uuid(), 'k/1', now(), 'r', %s, '{}', %s)",
                (event, bytes(32), person),
            )

    migrate(empty_conninfo)

    with psycopg.connect(empty_conninfo) as conn:
        rows = conn.execute("SELECT event_id, own = ARRAY[stream], own = '{}' FROM ops.quarantine")
        assert sorted(rows) == [("early", False, True), ("withheld", True, False)]


def test_events_that_a_release_before_stored_are_read_as_before_and_their_streams_go_on(
    empty_conninfo: str, tmp_path: Path
) -> None:
    as_a_release_before(empty_conninfo, tmp_path, 20)
    streams = [uuid4() for _ in range(3)]
    keys = ["", f"{streams[1]}/1", f"{streams[2]}/2", f"{streams[1]}/1", "", f"{streams[0]}/1"]
    old = [
        NewEvent(
            streams[at % 3], "shop", str(at), "note.taken", "1-0-0", LONG_AGO, b"{}", bytes(32), key
        )
        for at, key in enumerate(keys)
    ]
    read = (
        b"SELECT stream, key_id, position, version, source, event_id, type, schema, occurred_at,"
        b" recorded_at, sent_at, event_key, body, coalesce(body_digest, sha256(body)), leaf,"
        b" content_mac FROM ledger.events ORDER BY position"
    )
    with psycopg.connect(empty_conninfo, autocommit=True) as conn:
        writer = Writer()
        for event in old:
            writer.append(conn, [event])
        before = conn.execute(read).fetchall()
        assert [key_id for _, key_id, *_ in before] == keys
        migrate(empty_conninfo)
        assert conn.execute(read).fetchall() == before

        further = [
            event._replace(event_id=f"new {event.event_id}") for event in (*old, new_stream(old[0]))
        ]
        told = Writer().append(conn, further[:1]) + Writer().append(conn, further[1:])
        versions = [outcome.receipt.version for outcome in told if isinstance(outcome, Stored)]
        assert versions == [3, 3, 3, 4, 4, 4, 1]
        after = conn.execute(read).fetchall()
        assert [row[:2] for row in after[6:]] == [(event.stream, event.key_id) for event in further]


def test_what_an_older_program_appends_while_the_log_is_written_anew_is_taken_over(
    empty_conninfo: str, tmp_path: Path
) -> None:
    as_a_release_before(empty_conninfo, tmp_path, 22)
    started, done = Event(), Event()
    told: list[Outcome] = []

    def append() -> None:
        writer = Writer()
        with psycopg.connect(empty_conninfo, autocommit=True) as conn:
            while not done.is_set():
                event = ("shop", str(len(told)), "note.taken", "1-0-0", LONG_AGO, b"{}", bytes(32))
                with suppress(psycopg.Error):  # the table goes while it waits: refused, not lost
                    told.extend(writer.append(conn, [NewEvent(uuid4(), *event)]))
                if len(told) == 300:
                    started.set()

    with ThreadPoolExecutor(1) as others:
        appending = others.submit(append)
        try:
            assert started.wait(60)
            migrate(empty_conninfo)
        finally:
            done.set()
        appending.result()
    with psycopg.connect(empty_conninfo) as conn:
        kept = conn.execute("SELECT stream, position FROM ledger.events ORDER BY position")
        receipts = [outcome.receipt for outcome in told if isinstance(outcome, Stored)]
        assert kept.fetchall() == [(receipt.stream, receipt.position) for receipt in receipts]
        [numbers] = conn.execute("SELECT count(*), max(number), count(stream) FROM ledger.streams")
        assert numbers == (len(receipts),) * 3


def new_stream(event: NewEvent) -> NewEvent:
    return event._replace(stream=uuid4(), event_id="of another")


def test_events_that_a_release_before_stored_with_their_digests_are_known_and_dropped_as_others(
    empty_conninfo: str, tmp_path: Path
) -> None:
    as_a_release_before(empty_conninfo, tmp_path, 20)
    old, new = (
        NewEvent(uuid4(), "shop", name, "note.taken", "1-0-0", LONG_AGO, b"{}", bytes(32))
        for name in ("old", "new")
    )
    with psycopg.connect(empty_conninfo, autocommit=True) as conn:
        [first] = Writer().append(conn, [old])
        stored = "SELECT body_digest FROM ledger.events ORDER BY position"
        assert conn.execute(stored).fetchall() == [(sha256(b"{}").digest(),)]
        migrate(empty_conninfo)

        writer = Writer()
        assert isinstance(first, Stored)
        again, _ = writer.append(conn, [old, new])
        assert again == Duplicate(first.receipt)
        assert writer.append(conn, [old], repeated=True) == [first]
        assert conn.execute(stored).fetchall() == [(sha256(b"{}").digest(),), (None,)]

        drop = "SELECT ledger.drop_bodies('{note.taken}', '{1-0-0}', '{now}', 0, 9, 'why')"
        assert conn.execute(drop).fetchone() == (2,)
        assert conn.execute(stored).fetchall() == [(sha256(b"{}").digest(),)] * 2
        assert writer.append(conn, [old], repeated=True) == [first]
