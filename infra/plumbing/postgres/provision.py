"""Is this server fit to keep acknowledged events, and has the application its place in it?"""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from infra.plumbing.errors import DatabaseRefused, DatabaseUnreachable
from infra.plumbing.postgres.facts import APP, DATABASE, LOGINS, OWNER, Facts

OLDEST_SERVER = 150000
"""PostgreSQL 15, as `server_version_num`."""
ROLES = Path(__file__).with_name("roles.sql")
_CREATE = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
_ALTER = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
# The application makes the read models' tables; the owner must be able to see to them.
_OWNER_IS_ALSO_APP = sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP), sql.Identifier(OWNER))
_DURABILITY = "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = 'off' ORDER BY name"
_MUST_BE_ON = ["fsync", "full_page_writes", "synchronous_commit"]


def provide_roles_and_database(facts: Facts) -> None:
    """Give the embedded server its roles (roles.sql) and the database, where it lacks them.

    The file with the passwords is right: they are set at each start, sent as SCRAM verifiers, never
    in plain. No role is a superuser or may make a database; the owner owns its own.
    """
    with psycopg.connect(facts.superuser_conninfo(), autocommit=True) as conn:
        conn.execute(ROLES.read_bytes())
        known = {row[0] for row in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in LOGINS:
            how = _ALTER if role in known else _CREATE
            verifier = conn.pgconn.encrypt_password(
                facts.password_of(role).encode(), role.encode(), b"scram-sha-256"
            )
            conn.execute(how.format(sql.Identifier(role), sql.Literal(verifier.decode())))
        conn.execute(_OWNER_IS_ALSO_APP)
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            conn.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )


def refuse_unfit_server(conninfo: str) -> None:
    """Connect once and see that the server can keep what it acknowledges.

    Raises:
        DatabaseUnreachable: nobody answers there, or it does not let us in.
        DatabaseRefused: fsync, full_page_writes or synchronous_commit is off, the release is
            older than 15, or the database is not in UTF-8.
    """
    try:
        with psycopg.connect(conninfo, connect_timeout=10, autocommit=True) as conn:
            release = conn.info.server_version
            encoding = conn.info.parameter_status("server_encoding")
            rows = conn.execute(_DURABILITY, [_MUST_BE_ON]).fetchall()
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    if release < OLDEST_SERVER:
        raise DatabaseRefused(
            f"The database server is PostgreSQL {release // 10000}; "
            f"{OLDEST_SERVER // 10000} or later is needed."
        )
    if encoding != "UTF8":
        raise DatabaseRefused(
            f"The database is encoded in {encoding}; make one with CREATE DATABASE ... "
            "ENCODING 'UTF8'."
        )
    if rows:
        off = " and ".join(str(row[0]) for row in rows)
        raise DatabaseRefused(
            f"The database server runs with {off} off and could lose acknowledged events; "
            "turn it on, then start again."
        )


def unreachable(error: psycopg.OperationalError) -> DatabaseUnreachable:
    """Word a failed connection; libpq's text names host and user, never the password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = (lines or ["no reason given"])[0].removeprefix("connection failed: ").rstrip(".")
    return DatabaseUnreachable(
        f"The database cannot be reached: {reason}. Check RAPPORT_DATABASE_URL, and that the "
        "server runs."
    )
