"""Connections speak UTC, survive a restart of the server, and are refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import DatabaseUnreachable
from infra.plumbing.postgres import pool as pools
from infra.plumbing.postgres.pool import Address, address, make_pool

if TYPE_CHECKING:
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.postgres.supervisor import EmbeddedPostgres


def test_sessions_speak_utc_whatever_the_database_says(conninfo: str, owner_conninfo: str) -> None:
    elsewhere = sql.SQL("ALTER DATABASE {} SET TimeZone = 'Asia/Tokyo'").format(
        sql.Identifier(address(conninfo).dbname)
    )
    with psycopg.connect(owner_conninfo, autocommit=True) as conn:
        conn.execute(elsewhere)
    with make_pool(conninfo, name="clock") as pool, pool.connection() as conn:
        row = conn.execute("SELECT timestamptz '2010-06-01T12:00:00+01:00'").fetchone()
    assert row is not None
    assert row[0].isoformat() == "2010-06-01T11:00:00+00:00"
    assert row[0] == datetime(2010, 6, 1, 11, tzinfo=UTC)


def test_a_commit_is_waited_for_whatever_the_database_says(
    conninfo: str, owner_conninfo: str
) -> None:
    lazy = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
        sql.Identifier(address(conninfo).dbname)
    )
    with psycopg.connect(owner_conninfo, autocommit=True) as conn:
        conn.execute(lazy)
    with make_pool(conninfo, name="commit") as pool, pool.connection() as conn:
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_pool_is_not_troubled_by_connections_that_the_server_dropped(
    pool: Pool, postgres_server: EmbeddedPostgres
) -> None:
    with pool.connection() as conn:
        before = conn.info.backend_pid
    with psycopg.connect(postgres_server.superuser_conninfo(), autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    with pool.connection() as conn:
        assert conn.info.backend_pid != before


def test_sessions_say_whose_they_are_and_keep_given_options(conninfo: str) -> None:
    given_options = make_conninfo(conninfo, options="-c work_mem=7MB")
    with make_pool(given_options, name="projections") as pool, pool.connection() as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("rapport projections",)
        assert conn.execute("SHOW work_mem").fetchone() == ("7MB",)
        assert conn.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1min",)


def test_a_pool_on_a_wrong_address_says_why_at_once(conninfo: str) -> None:
    wrong = make_conninfo(conninfo, dbname="nowhere")
    with pytest.raises(DatabaseUnreachable, match='"nowhere" does not exist'):
        make_pool(wrong, name="lost")


def test_a_pool_larger_than_the_server_allows_says_so(
    conninfo: str, owner_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "OPEN_SECONDS", 1.0)
    few = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 3").format(
        sql.Identifier(address(conninfo).dbname)
    )
    with psycopg.connect(owner_conninfo, autocommit=True) as conn:
        conn.execute(few)
    with pytest.raises(DatabaseUnreachable, match="gives no 5 connections"):
        make_pool(conninfo, name="greedy", min_size=5)


def test_an_address_in_parts_connects_as_well(conninfo: str) -> None:
    parts = address(conninfo)
    with psycopg.connect(
        host=parts.host,
        port=parts.port,
        dbname=parts.dbname,
        user=parts.user,
        password=parts.password,
    ) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == (parts.dbname,)


def test_a_url_is_taken_apart_with_its_escapes() -> None:
    parts = address("postgresql://ada:p%40ss%3Aword@db.example.org:6543/crm?sslmode=require")
    assert parts == Address("db.example.org", 6543, "crm", "ada", "p@ss:word")
    assert address("host=db user=ada") == Address("db", 5432, "ada", "ada", "")


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(password=TEXT, dbname=TEXT)
def test_taking_apart_undoes_putting_together(password: str, dbname: str) -> None:
    whole = make_conninfo(host="db", port=5432, user="u", dbname=dbname, password=password)
    assert address(whole) == Address("db", 5432, dbname, "u", password)
