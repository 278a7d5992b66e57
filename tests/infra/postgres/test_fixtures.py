"""The fixtures keep what they promise to every other test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

if TYPE_CHECKING:
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.settings import Settings


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_gets_a_database_that_no_other_test_wrote_to(
    owner_conninfo: str, turn: str
) -> None:
    with psycopg.connect(owner_conninfo) as conn:
        conn.execute("CREATE TABLE mine (turn text)")
        conn.execute("INSERT INTO mine VALUES (%s)", [turn])
        assert conn.execute("SELECT count(*) FROM mine").fetchone() == (1,)


def test_the_database_is_migrated_and_the_role_is_no_superuser(pool: Pool) -> None:
    with pool.connection() as conn:
        assert conn.execute("SELECT count(*) >= 0 FROM ops.migrations").fetchone() == (True,)
        assert conn.execute("SHOW is_superuser").fetchone() == ("off",)
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("CREATE ROLE another")


def test_the_server_of_the_tests_keeps_fsync_on(empty_conninfo: str) -> None:
    with psycopg.connect(empty_conninfo) as conn:
        assert conn.execute("SHOW fsync").fetchone() == ("on",)


def test_the_settings_name_the_fresh_database(settings: Settings, conninfo: str) -> None:
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == conninfo
