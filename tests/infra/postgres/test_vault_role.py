"""Keys, names, fences and certificates: who reaches them, and what nobody takes back."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from psycopg import errors
from pydantic import SecretStr

from infra.plumbing.errors import DatabaseRefused
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.facts import APP, AUDITOR, OWNER, SIGNER, VAULT
from infra.plumbing.postgres.grants import grant
from infra.plumbing.postgres.migrate import migrate
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from infra.plumbing.settings import load_settings
from rapport.running.house import open_house

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REFUSED = "RPT01"
"""SQLSTATE of what the house's own triggers refuse."""
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
EVERYTHING = {"SELECT", "INSERT", "UPDATE", "DELETE"}
READ = {"SELECT"}
ADD = {"SELECT", "INSERT"}
MATRIX: dict[str, dict[str, set[str]]] = {
    "access.keys": {VAULT: EVERYTHING},
    "access.login_tokens": {VAULT: EVERYTHING},
    "access.sessions": {VAULT: EVERYTHING},
    "vault.keys": {VAULT: EVERYTHING},
    "vault.identifiers": {VAULT: EVERYTHING},
    "vault.suppressed": {VAULT: EVERYTHING},
    "vault.master": {VAULT: ADD},
    "vault.fences": {APP: READ, VAULT: {"SELECT", "INSERT", "DELETE"}},
    "ops.migrations": {APP: READ, VAULT: READ, SIGNER: READ, AUDITOR: READ},
    "ops.grants": {APP: READ, VAULT: READ, SIGNER: READ, AUDITOR: READ},
    "ops.refolded": {APP: ADD | {"UPDATE"}, VAULT: ADD | {"UPDATE"}},
    "ops.quarantine": {VAULT: EVERYTHING},
    "ops.refused_proposals": {VAULT: ADD},
    "ops.privacy_requests": {VAULT: ADD},
    "ops.privacy_steps": {VAULT: ADD},
    "ops.privacy_done_again": {VAULT: ADD},
}
"""Table -> role -> what it may do to the whole of it. Whoever is not named may do nothing."""
COLUMNS = {
    "vault.master": {"changes"},
    "ops.privacy_requests": {"stream", "hash", "lookup", "person", "done_at", "certificate"},
}
"""What the vault's role may change besides, in tables that it may not change the whole of."""
FORBIDDEN = (
    "SELECT wrapped FROM vault.keys",
    "SELECT lookup FROM vault.identifiers",
    "SELECT hash FROM vault.suppressed",
    "UPDATE vault.master SET fingerprint = ''",
    "INSERT INTO vault.fences (stream) VALUES (gen_random_uuid())",
    "DELETE FROM vault.fences",
    "SELECT body FROM ops.quarantine",
    "INSERT INTO ops.privacy_requests (type, asked_by) VALUES ('erase', 'me')",
    "UPDATE ops.privacy_requests SET certificate = 'forged'",
    "DELETE FROM ops.privacy_requests",
    "INSERT INTO ops.privacy_steps VALUES (gen_random_uuid(), 1, 'fence', '{}')",
    "DELETE FROM ops.privacy_steps",
    "SELECT ledger.forget_content_macs(gen_random_uuid())",
    "INSERT INTO access.keys (role) VALUES ('admin')",
    "SET ROLE rapport_vault",
)


def test_each_role_may_do_to_the_tables_of_access_vault_and_ops_what_is_said_and_no_more(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    owner = as_role(OWNER)
    query = (
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        " WHERE schemaname IN ('access', 'vault', 'ops')"
    )
    tables = {table for (table,) in owner.execute(query)}
    assert tables == MATRIX.keys()
    wrong: list[str] = []
    for table, role in product(sorted(tables), (APP, VAULT, SIGNER, AUDITOR)):
        found = {
            right
            for right in RIGHTS
            if owner.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [role, table, right]
            ).fetchone()
            == (True,)
        }
        if found != MATRIX[table].get(role, set()):
            wrong.append(f"{role} on {table}: {sorted(found)}")
    assert wrong == []


def test_the_vaults_role_changes_few_columns_of_what_it_may_not_change_the_whole_of(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    granted = as_role(OWNER).execute(
        "SELECT table_schema || '.' || table_name, column_name, grantee"
        " FROM information_schema.column_privileges WHERE table_schema IN ('vault', 'ops')"
        " AND privilege_type = 'UPDATE' AND NOT has_table_privilege("
        "     grantee, (table_schema || '.' || table_name)::regclass, 'UPDATE')"
    )
    assert {tuple(row) for row in granted} == {
        (table, column, VAULT) for table, columns in COLUMNS.items() for column in columns
    }


@pytest.mark.parametrize("statement", FORBIDDEN)
@pytest.mark.parametrize("role", [APP, SIGNER, AUDITOR])
def test_no_other_role_comes_near_names_keys_fences_and_certificates(
    as_role: Callable[[str], psycopg.Connection[Any]], role: str, statement: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        as_role(role).execute(statement.encode())


@pytest.mark.parametrize("role", [VAULT, OWNER])
def test_a_fence_may_be_down_within_a_transaction_and_is_up_at_its_end(
    as_role: Callable[[str], psycopg.Connection[Any]], role: str
) -> None:
    connection, stream = as_role(role), uuid4()
    put_up, take_down = (
        "INSERT INTO vault.fences (stream) VALUES (%s)",
        "DELETE FROM vault.fences WHERE stream = %s",
    )
    connection.execute(put_up, [stream])
    with pytest.raises(psycopg.Error, match="A fence is never taken away") as refusal:
        connection.execute(take_down, [stream])
    assert refusal.value.sqlstate == REFUSED
    with connection.transaction():
        connection.execute(take_down, [stream])
        connection.execute(put_up, [stream])
    assert connection.execute("SELECT stream FROM vault.fences").fetchall() == [(stream,)]


@pytest.mark.parametrize("role", [VAULT, OWNER])
def test_a_request_that_is_done_keeps_its_certificate(
    as_role: Callable[[str], psycopg.Connection[Any]], role: str
) -> None:
    connection = as_role(VAULT)
    connection.execute("INSERT INTO ops.privacy_requests (type, asked_by) VALUES ('erase', 'me')")
    finish = "UPDATE ops.privacy_requests SET done_at = now(), certificate = %s"
    connection.execute(finish, [b"true"])
    for change in ("certificate = 'forged'", "certificate = NULL", "done_at = NULL"):
        with pytest.raises(psycopg.Error, match="is not changed any more") as refusal:
            as_role(role).execute(f"UPDATE ops.privacy_requests SET {change}".encode())
        assert refusal.value.sqlstate == REFUSED
    kept = connection.execute("SELECT certificate FROM ops.privacy_requests").fetchall()
    assert kept == [(b"true",)]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM ops.privacy_steps",
        "UPDATE ops.privacy_steps SET counts = '{}'",
        "DELETE FROM ops.privacy_requests",
        "UPDATE ops.privacy_requests SET type = 'access'",
        "UPDATE vault.fences SET stream = gen_random_uuid()",
    ],
)
def test_whoever_works_off_requests_changes_nothing_that_was_done(
    as_role: Callable[[str], psycopg.Connection[Any]], change: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        as_role(VAULT).execute(change.encode())


def test_a_house_whose_user_may_not_see_the_vault_is_refused_in_one_sentence(
    conninfo: str, tmp_path: Path
) -> None:
    settings = load_settings(data_dir=tmp_path, database_url=SecretStr(conninfo))
    with (
        pytest.raises(DatabaseRefused, match="RAPPORT_DATABASE_VAULT_URL"),
        open_house(settings, what="test"),
    ):
        pass


def test_a_folder_whose_application_was_in_the_vault_is_moved_over_at_its_next_start(
    data_dir: Path,
) -> None:
    """As the release before made it; until then, as on a server of the user's, it goes on."""
    with EmbeddedPostgres(data_dir) as server:
        app, owner = server.conninfo_of(APP), server.conninfo_of(OWNER)
        with psycopg.connect(server.superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("REVOKE rapport_app FROM rapport_vault")
            superuser.execute("GRANT rapport_vault TO rapport_app")
            superuser.execute("ALTER ROLE rapport_vault NOLOGIN PASSWORD NULL")
        migrate(owner)
        with psycopg.connect(owner, autocommit=True) as before:
            before.execute("GRANT USAGE ON SCHEMA access TO rapport_app")
            before.execute("GRANT ALL ON ALL TABLES IN SCHEMA access, ops TO rapport_app")
            before.execute("GRANT EXECUTE ON FUNCTION ledger.forget_content_macs TO rapport_app")
        grant(owner)
        with open_house(load_settings(database_url=SecretStr(app), data_dir=data_dir), what="old"):
            pass
    file = data_dir / "postgres" / "connection.json"
    facts = orjson.loads(file.read_bytes())
    del facts["vault_password"]
    file.write_bytes(orjson.dumps(facts))
    with open_database(load_settings(data_dir=data_dir)) as database:
        database.migrate()
        with psycopg.connect(database.vault_conninfo) as vault:
            assert vault.execute("SELECT count(*) FROM vault.master").fetchone() == (1,)
            assert vault.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)
        with psycopg.connect(database.conninfo, autocommit=True) as app_connection:
            for statement in FORBIDDEN:
                with pytest.raises(errors.InsufficientPrivilege):
                    app_connection.execute(statement.encode())
