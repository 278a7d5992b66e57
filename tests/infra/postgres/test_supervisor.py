"""The embedded server: made once, restarted when it dies, gone when told to, quiet about people."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import DataFolderDamaged, DataFolderInUse, PostgresError
from infra.plumbing.postgres.facts import OWNER
from infra.plumbing.postgres.pool import address
from infra.plumbing.postgres.processes import servers_in
from infra.plumbing.postgres.supervisor import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def write(conninfo: str, word: str) -> None:
    with psycopg.connect(conninfo) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        conn.execute("INSERT INTO words VALUES (%s)", [word])


def words(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as conn:
        return [row[0] for row in conn.execute("SELECT word FROM words ORDER BY word")]


def killed(server: EmbeddedPostgres) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not server.is_alive())


def test_what_was_written_is_there_after_a_stop_and_a_start(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        write(server.conninfo_of(OWNER), "kept")
        sockets = Path(address(server.conninfo).host)
    assert not servers_in(data_dir / "postgres" / "data")
    assert not sockets.exists()
    with EmbeddedPostgres(data_dir) as server:
        assert words(server.conninfo_of(OWNER)) == ["kept"]


def test_a_killed_server_is_restarted_at_the_same_address_with_all_rows(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        before = server.conninfo_of(OWNER)
        write(before, "committed")
        with psycopg.connect(before, autocommit=True) as busy:
            killed(server)
            assert server.ensure()
            with pytest.raises(psycopg.OperationalError):
                busy.execute("SELECT 1")
        assert server.conninfo_of(OWNER) == before
        assert words(before) == ["committed"]
        assert not server.ensure()


def test_a_watched_server_comes_back_by_itself_each_time(data_dir: Path) -> None:
    stop = threading.Event()
    with EmbeddedPostgres(data_dir) as server:
        watcher = threading.Thread(target=server.watch, args=[stop])
        watcher.start()
        try:
            for _ in range(2):
                before = server.pid
                killed(server)
                assert eventually(lambda: server.pid not in {None, before})  # noqa: B023 - at once
            write(server.conninfo_of(OWNER), "after two deaths")
        finally:
            stop.set()
            watcher.join()


def test_a_pid_file_naming_a_living_stranger_does_not_block_the_start(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        write(server.conninfo_of(OWNER), "kept")
        killed(server)
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    owner = pid_file.stat().st_uid
    # PostgreSQL believes the file only of a process of its own account.
    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        with EmbeddedPostgres(data_dir) as server:
            assert words(server.conninfo_of(OWNER)) == ["kept"]
        assert stranger.poll() is None
        stranger.kill()


def test_a_data_folder_far_down_still_has_a_socket_path_the_system_takes(data_dir: Path) -> None:
    deep = data_dir.joinpath(*["a-rather-long-folder-name-0123456789"] * 5)
    with EmbeddedPostgres(deep) as server:
        assert len(os.fsencode(f"{address(server.conninfo).host}/.s.PGSQL.5432.lock")) < 107
        write(server.conninfo_of(OWNER), "deep")


def test_a_first_start_that_was_cut_off_is_done_again(data_dir: Path, tmp_path: Path) -> None:
    half = data_dir / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    still_at_it = shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "initdb")
    with (
        subprocess.Popen([still_at_it, "60"], cwd=half) as orphan,
        EmbeddedPostgres(data_dir) as server,
    ):
        assert orphan.wait(1) == -signal.SIGINT
        write(server.conninfo_of(OWNER), "whole")
    assert not half.exists()


def test_the_application_is_no_superuser_and_needs_its_password(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.conninfo, autocommit=True) as conn:
            assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
            assert conn.execute("SHOW TimeZone").fetchone() == ("UTC",)
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute("CREATE DATABASE another")
        guessed = make_conninfo(server.conninfo, password=secrets.token_urlsafe())
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(guessed)


def test_files_with_secrets_are_for_their_owner_only(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        sockets = Path(address(server.conninfo).host)
        found = {
            name: (data_dir / name).stat().st_mode & 0o777
            for name in ("postgres/connection.json", "postgres/server.log", "postgres/data", ".")
        }
        assert found["postgres/connection.json"] == 0o600
        assert found["postgres/server.log"] == 0o600
        assert found["postgres/data"] == 0o700
        assert found["."] == 0o700
        assert sockets.stat().st_mode & 0o777 == 0o700


def test_no_value_of_a_refused_statement_reaches_the_servers_log(data_dir: Path) -> None:
    canary = "ada@example.org"
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.conninfo_of(OWNER), autocommit=True) as conn:
            conn.execute("CREATE TABLE person (email text PRIMARY KEY)")
            conn.execute("INSERT INTO person VALUES (%s)", [canary])
            with pytest.raises(errors.UniqueViolation):
                conn.execute("INSERT INTO person VALUES (%s)", [canary])
            with pytest.raises(errors.InvalidTextRepresentation):
                conn.execute(f"SELECT '{canary}'::integer".encode())
        killed(server)
        server.ensure()
    log = (data_dir / "postgres" / "server.log").read_text()
    assert "was not properly shut down" in log
    assert canary not in log


def test_the_same_folder_twice_is_refused_and_the_first_goes_on(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, what="rapport up") as server:
        with pytest.raises(DataFolderInUse, match=rf"process {os.getpid()} \(rapport up\)"):
            EmbeddedPostgres(data_dir).start()
        write(server.conninfo_of(OWNER), "still here")


def test_starting_and_stopping_twice_changes_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    assert not server.is_alive()
    with pytest.raises(PostgresError, match="not started"):
        server.ensure()


def test_damage_in_the_data_folder_is_said_in_one_sentence(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        write(server.conninfo_of(OWNER), "kept")
    file = data_dir / "postgres" / "connection.json"
    good = file.read_bytes()
    release = data_dir / "postgres" / "data" / "PG_VERSION"

    file.unlink()
    with pytest.raises(DataFolderDamaged, match=r"connection\.json is missing"):
        EmbeddedPostgres(data_dir).start()
    file.write_bytes(b'{"socket_folder"')
    with pytest.raises(DataFolderDamaged, match=r"connection\.json is damaged"):
        EmbeddedPostgres(data_dir).start()
    file.write_bytes(good.replace(b'superuser_password":"', b'superuser_password":"x'))
    with pytest.raises(DataFolderDamaged, match="does not know the password"):
        EmbeddedPostgres(data_dir).start()
    file.write_bytes(good)
    release.write_text("17\n")
    with pytest.raises(DataFolderDamaged, match=r"PostgreSQL 17, this program brings 18"):
        EmbeddedPostgres(data_dir).start()
    release.write_text("18\n")
    with EmbeddedPostgres(data_dir) as server:
        assert words(server.conninfo_of(OWNER)) == ["kept"]
