"""Each database role reaches only what it may, and nobody changes what is recorded."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import MigrationFailed
from infra.plumbing.postgres import grants, provision
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.facts import APP, AUDITOR, OWNER, SIGNER, VAULT
from infra.plumbing.postgres.grants import grant
from infra.plumbing.postgres.migrate import migrate
from infra.plumbing.postgres.pool import address
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from infra.plumbing.settings import load_settings
from rapport.running.house import open_house
from services.projections.discovery import find_read_models

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.plumbing.ledger.answers import NewEvent

REFUSED = "RPT01"
"""SQLSTATE of the ledger's own triggers."""
CHANGES = (
    "UPDATE ledger.rows SET body = 'forged'",
    "UPDATE ledger.rows SET body = NULL",
    "UPDATE ledger.rows SET content_mac = NULL",
    "UPDATE ledger.rows SET position = position + 10",
    "DELETE FROM ledger.rows",
    "TRUNCATE ledger.rows",
    "UPDATE ledger.streams SET stream = gen_random_uuid()",
    "DELETE FROM ledger.streams",
    "TRUNCATE ledger.streams",
)
DENIED = r"permission denied for (table (rows|streams)|view events)"
THROUGH_THE_VIEW = (
    "UPDATE ledger.events SET body = 'forged'",
    "DELETE FROM ledger.events",
    "INSERT INTO ledger.events (position) VALUES (2)",
)
MAY_WRITE = {
    APP: {"rows": "INSERT", "streams": "INSERT", "tiles": "INSERT"},
    VAULT: {"rows": "INSERT", "streams": "INSERT", "tiles": "INSERT"},
    SIGNER: {"checkpoints": "INSERT"},
    AUDITOR: {},
}
"""Role -> table of the ledger -> the one thing it may do to the whole of it beside reading."""


def rows(connection: psycopg.Connection[Any]) -> list[Any]:
    return connection.execute("TABLE ledger.events").fetchall()


@pytest.mark.parametrize("change", [*CHANGES, *THROUGH_THE_VIEW])
@pytest.mark.parametrize("role", [APP, VAULT, SIGNER, AUDITOR])
def test_update_delete_and_truncate_of_events_are_refused_by_grants(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent, role: str, change: str
) -> None:
    with pytest.raises(
        errors.InsufficientPrivilege,
        match=r"permission denied for (table (rows|streams)|view events)",
    ):
        as_role(role).execute(change.encode())


@pytest.mark.parametrize("change", [*CHANGES, *THROUGH_THE_VIEW])
def test_update_delete_and_truncate_of_events_are_refused_by_trigger_to_the_owner_too(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent, change: str
) -> None:
    owner = as_role(OWNER)
    before = rows(owner)
    with pytest.raises(psycopg.Error, match="The ledger is only appended to") as refusal:
        owner.execute(change.encode())
    assert refusal.value.sqlstate == REFUSED
    assert refusal.value.diag.message_hint
    assert rows(owner) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_superuser_in_a_replicas_session_is_refused_as_well(
    postgres_server: EmbeddedPostgres, conninfo: str, recorded: NewEvent, change: str
) -> None:
    superuser = postgres_server.superuser_conninfo(address(conninfo).dbname)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.Error, match="The ledger is only appended to"):
            connection.execute(change.encode())


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM ledger.head",
        "TRUNCATE ledger.head",
        "UPDATE ledger.head SET deployment = gen_random_uuid()",
    ],
)
def test_the_application_moves_the_head_and_does_nothing_else_to_it(
    as_role: Callable[[str], psycopg.Connection[Any]], change: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        as_role(APP).execute(change.encode())


def test_what_was_removed_stays_written_down(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    for change in ("DELETE FROM", "TRUNCATE", "UPDATE"):
        words = f"{change} ledger.removals {'SET reason = now()' if change == 'UPDATE' else ''}"
        with pytest.raises(psycopg.Error, match="is refused") as refusal:
            as_role(OWNER).execute(words.encode())
        assert refusal.value.sqlstate == REFUSED


def test_each_role_may_do_to_the_ledgers_tables_what_is_said_and_no_more(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    owner = as_role(OWNER)
    tables = [
        name
        for (name,) in owner.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ledger' ORDER BY 1"
        )
    ]
    for role, table in product(MAY_WRITE, tables):
        allowed = {
            what
            for what in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if owner.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [role, f"ledger.{table}", what]
            ).fetchone()
            == (True,)
        }
        assert allowed == {MAY_WRITE[role][table]} if table in MAY_WRITE[role] else not allowed


@pytest.mark.parametrize("role", [SIGNER, AUDITOR])
def test_signer_and_auditor_see_neither_keys_nor_identifiers_nor_api_keys(
    as_role: Callable[[str], psycopg.Connection[Any]], role: str
) -> None:
    for table in ("vault.keys", "vault.identifiers", "access.keys", "ops.quarantine"):
        with pytest.raises(errors.InsufficientPrivilege):
            as_role(role).execute(f"SELECT count(*) FROM {table}".encode())


def test_the_signer_reads_leaves_and_no_bodies_and_the_auditor_both(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    assert as_role(SIGNER).execute("SELECT count(leaf) FROM ledger.events").fetchone() == (1,)
    with pytest.raises(errors.InsufficientPrivilege):
        as_role(SIGNER).execute("SELECT body FROM ledger.events")
    assert as_role(AUDITOR).execute("SELECT body FROM ledger.events").fetchone() == (recorded.body,)


def test_the_application_reaches_every_table_but_those_of_access_ops_and_vault(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    unreachable = (
        as_role(OWNER)
        .execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            " AND schemaname NOT IN ('access', 'ops', 'vault')"
            " AND NOT (has_schema_privilege(%(app)s, schemaname, 'USAGE')"
            "     AND has_table_privilege(%(app)s, schemaname || '.' || tablename, 'SELECT'))",
            {"app": APP},
        )
        .fetchall()
    )
    assert unreachable == []


def test_only_the_owner_may_drop_bodies_and_nobody_content_macs_of_a_living_customer(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    drop = "SELECT ledger.drop_bodies('{note}', '{1-0-0}', '{infinity}', 0, 9, 'malice')"
    for role in (APP, VAULT, SIGNER, AUDITOR):
        with pytest.raises(errors.InsufficientPrivilege):
            as_role(role).execute(drop.encode())
    with pytest.raises(psycopg.Error, match="Only an erased customer") as refusal:
        as_role(VAULT).execute("SELECT ledger.forget_content_macs(%s)", [recorded.stream])
    assert refusal.value.sqlstate == REFUSED


def test_an_erased_customers_content_macs_go_and_it_is_written_down(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    vault = as_role(VAULT)
    vault.execute("INSERT INTO vault.fences (stream) VALUES (%s)", [recorded.stream])
    forget = "SELECT ledger.forget_content_macs(%s)"
    assert vault.execute(forget, [recorded.stream]).fetchone() == (1,)
    assert vault.execute(forget, [recorded.stream]).fetchone() == (0,)
    assert vault.execute("SELECT content_mac, body FROM ledger.events").fetchall() == [
        (None, recorded.body)
    ]
    removals = vault.execute("SELECT what, stream, positions, reason, made_by FROM ledger.removals")
    assert removals.fetchall() == [("content_mac", recorded.stream, [1], "erasure", VAULT)]


def test_a_customer_whose_key_is_still_there_keeps_every_content_mac(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    vault = as_role(VAULT)
    vault.execute("INSERT INTO vault.fences (stream) VALUES (%s)", [recorded.stream])
    vault.execute("INSERT INTO vault.keys VALUES ('k', %s, 'wrapped')", [recorded.stream])
    with pytest.raises(psycopg.Error, match="Only an erased customer"):
        vault.execute("SELECT ledger.forget_content_macs(%s)", [recorded.stream])


def test_a_written_down_removal_opens_no_door_to_anything_but_itself(
    as_role: Callable[[str], psycopg.Connection[Any]], recorded: NewEvent
) -> None:
    owner = as_role(OWNER)
    note = (
        "INSERT INTO ledger.removals (what, stream, positions, reason) VALUES (%s, %s, '{1}', 'r')"
    )
    for change in (
        "UPDATE ledger.rows SET body = 'forged'",
        "UPDATE ledger.rows SET body = NULL",
        "UPDATE ledger.rows SET body = NULL, body_digest = sha256('forged')",
        "UPDATE ledger.rows SET body_digest = sha256(body)",
        "UPDATE ledger.rows SET body = NULL, body_digest = sha256(body), type = 'forged'",
        "UPDATE ledger.rows SET body = NULL, body_digest = sha256(body), content_mac = NULL",
        "UPDATE ledger.rows SET content_mac = NULL",
    ):
        owner.execute("BEGIN")
        owner.execute(note, ["body", recorded.stream])
        with pytest.raises(psycopg.Error, match="only appended to"):
            owner.execute(change.encode())
        owner.execute("ROLLBACK")
    owner.execute(note, ["body", recorded.stream])  # a transaction of its own, over by now
    with pytest.raises(psycopg.Error, match="only appended to"):
        owner.execute("UPDATE ledger.rows SET body = NULL")


def test_a_user_who_only_works_starts_a_program_on_a_migrated_database(
    conninfo: str, tmp_path: Path
) -> None:
    settings = load_settings(data_dir=tmp_path, database_url=conninfo)
    with open_database(settings) as database:
        assert database.owner_conninfo == database.conninfo == database.signer_conninfo
        assert database.vault_conninfo == database.conninfo
        assert database.migrate() == []


def test_each_roles_url_is_used_where_it_is_given(
    conninfo: str, vault_conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    signer = make_conninfo(conninfo, user=SIGNER)
    settings = load_settings(
        data_dir=tmp_path,
        database_url=conninfo,
        database_vault_url=vault_conninfo,
        database_owner_url=owner_conninfo,
        database_signer_url=signer,
    )
    with open_database(settings) as database:
        assert database.vault_conninfo == vault_conninfo
        assert (database.owner_conninfo, database.signer_conninfo) == (owner_conninfo, signer)


def test_roles_sql_and_the_four_urls_of_the_operators_page_make_a_database_work(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """As docs/operator.md says it for a server of the user's own."""
    with psycopg.connect(postgres_server.superuser_conninfo(), autocommit=True) as superuser:
        superuser.execute(provision.ROLES.read_bytes())
        superuser.execute("CREATE ROLE shop_owner LOGIN PASSWORD 'owner'")
        superuser.execute("GRANT rapport_app TO shop_owner")
        superuser.execute("CREATE DATABASE shop OWNER shop_owner")
        try:
            at = {"dbname": "shop"}
            app, vault, signer = (
                make_conninfo(postgres_server.conninfo_of(role), **at)
                for role in (APP, VAULT, SIGNER)
            )
            settings = load_settings(
                data_dir=tmp_path,
                database_url=app,
                database_vault_url=vault,
                database_owner_url=make_conninfo(app, user="shop_owner", password="owner"),  # noqa: S106 - made two lines above
                database_signer_url=signer,
            )
            with open_database(settings) as database:
                assert database.migrate()
                with psycopg.connect(database.conninfo) as work:
                    for found in find_read_models():
                        work.execute(found.table_sql)
                assert database.migrate() == []
                with psycopg.connect(database.signer_conninfo) as signing:
                    assert signing.execute("SELECT count(leaf) FROM ledger.events").fetchone()
            with open_house(settings, what="shop") as house:
                assert house.vault.find("crm:nobody") is None
        finally:
            superuser.execute("DROP DATABASE shop WITH (FORCE)")
            superuser.execute("DROP ROLE shop_owner")


def test_a_user_who_only_works_is_told_who_must_migrate(
    postgres_server: EmbeddedPostgres, empty_conninfo: str
) -> None:
    app = make_conninfo(postgres_server.conninfo, dbname=address(empty_conninfo).dbname)
    with pytest.raises(MigrationFailed, match="RAPPORT_DATABASE_OWNER_URL"):
        migrate(app)


def test_grants_are_applied_once_and_again_when_they_change(
    empty_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty_conninfo)
    assert grant(empty_conninfo)
    assert not grant(empty_conninfo)
    monkeypatch.setattr(
        grants, "GRANTS", {role: grants.GRANTS[role] + b";" for role in grants.ROLES}
    )
    assert grant(empty_conninfo)


def test_on_a_server_without_the_roles_nothing_is_granted_and_the_triggers_still_refuse(
    empty_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "ROLES", ("rapport_nobody",))
    migrate(empty_conninfo)
    grant(empty_conninfo)
    with psycopg.connect(empty_conninfo, autocommit=True) as owner:
        granted = owner.execute("SELECT has_schema_privilege(%s, 'ledger', 'USAGE')", [APP])
        assert granted.fetchone() == (False,)
        with pytest.raises(psycopg.Error, match="only appended to"):
            owner.execute("TRUNCATE ledger.rows")


def test_tables_an_older_release_made_become_the_applications(empty_conninfo: str) -> None:
    migrate(empty_conninfo)
    with psycopg.connect(empty_conninfo, autocommit=True) as owner:
        owner.execute("CREATE TABLE read.old_v1 (a int)")
        owner.execute("CREATE VIEW read.old AS SELECT * FROM read.old_v1")
        owner.execute("INSERT INTO read.versions (name, active) VALUES ('old', 1)")
        grant(empty_conninfo)
        owners = owner.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname ~ '^old'"
        )
        assert owners.fetchall() == [(APP,)]


def test_a_data_folder_of_an_older_release_gets_its_new_roles(data_dir: Path) -> None:
    with (
        EmbeddedPostgres(data_dir) as server,
        psycopg.connect(server.superuser_conninfo(), autocommit=True) as superuser,
    ):
        for role in (SIGNER, AUDITOR, APP, VAULT):
            superuser.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    file = data_dir / "postgres" / "connection.json"
    facts = orjson.loads(file.read_bytes())
    file.write_bytes(
        orjson.dumps(
            {name: facts[name] for name in ("socket_folder", "password", "superuser_password")}
        )
    )
    with EmbeddedPostgres(data_dir) as server:
        for role in (OWNER, APP, VAULT, SIGNER, AUDITOR):
            with psycopg.connect(server.conninfo_of(role)) as connection:
                assert connection.execute("SELECT current_user").fetchone() == (role,)
