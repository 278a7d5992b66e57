"""The user's own server wins; it is refused in one sentence when absent, closed or careless."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import DatabaseRefused, DatabaseUnreachable
from infra.plumbing.postgres import cluster, provision
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.pool import address
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from infra.plumbing.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path


def at(url: str, folder: Path) -> Settings:
    return load_settings(data_dir=folder / "data", database_url=url)


def test_the_users_server_wins_and_no_data_folder_is_made(settings: Settings) -> None:
    with open_database(settings) as database:
        assert database.embedded is None
        assert database.migrate() == []
    assert not settings.data_dir.exists()


def test_a_server_that_nobody_runs_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"postgresql://ada:hush-hush@127.0.0.1:{port}/rapport"
        with (
            pytest.raises(DatabaseUnreachable, match="RAPPORT_DATABASE_URL") as refusal,
            open_database(at(url, tmp_path)),
        ):
            pass
    assert "refused" in str(refusal.value)
    assert "hush-hush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_wrong_password_and_a_missing_database_are_said_without_the_password(
    conninfo: str, tmp_path: Path
) -> None:
    for wrong, words in (
        ({"password": "hush-hush"}, "password authentication failed"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
    ):
        with (
            pytest.raises(DatabaseUnreachable, match=words) as refusal,
            open_database(at(make_conninfo(conninfo, **wrong), tmp_path)),
        ):
            pass
        assert "hush-hush" not in str(refusal.value)
        assert address(conninfo).password not in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_session_that_does_not_wait_for_the_disk_is_refused(
    settings: Settings, conninfo: str, owner_conninfo: str
) -> None:
    off = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
        sql.Identifier(address(conninfo).dbname)
    )
    with psycopg.connect(owner_conninfo, autocommit=True) as conn:
        conn.execute(off)
    with (
        pytest.raises(DatabaseRefused, match="synchronous_commit off and could lose"),
        open_database(settings),
    ):
        pass


def test_a_server_without_fsync_is_refused_and_so_is_our_own(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    careless = [
        option.replace("=on", "=off") if option in {"fsync=on", "full_page_writes=on"} else option
        for option in cluster.OPTIONS
    ]
    monkeypatch.setattr(cluster, "OPTIONS", careless)
    with EmbeddedPostgres(data_dir) as server:
        url = server.conninfo
        with (
            pytest.raises(DatabaseRefused, match="fsync and full_page_writes off"),
            open_database(at(url, tmp_path)),
        ):
            pass
    with (
        pytest.raises(DatabaseRefused, match="fsync and full_page_writes off"),
        open_database(load_settings(data_dir=data_dir)),
    ):
        pass


def test_no_file_of_the_embedded_server_can_turn_fsync_off(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.superuser_conninfo(), autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET fsync = off")
        server.stop()
        server.start()
        provision.refuse_unfit_server(server.conninfo)


def test_an_old_server_and_another_encoding_are_refused(
    conninfo: str, postgres_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres_server.superuser_conninfo(), autocommit=True) as conn:
        conn.execute(
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc "
            "LOCALE 'C'"
        )
        try:
            with pytest.raises(DatabaseRefused, match="encoded in LATIN1"):
                provision.refuse_unfit_server(make_conninfo(conninfo, dbname="latin"))
        finally:
            conn.execute("DROP DATABASE latin WITH (FORCE)")
    monkeypatch.setattr(provision, "OLDEST_SERVER", 990000)
    with pytest.raises(DatabaseRefused, match="PostgreSQL 18; 99 or later is needed"):
        provision.refuse_unfit_server(conninfo)


def test_the_servers_folder_is_free_again_after_a_failure_inside(data_dir: Path) -> None:
    settings = load_settings(data_dir=data_dir)
    with pytest.raises(ZeroDivisionError), open_database(settings):
        raise ZeroDivisionError
    with open_database(settings) as database:
        assert database.embedded is not None
        assert database.embedded.is_alive()
