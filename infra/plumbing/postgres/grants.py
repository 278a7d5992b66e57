"""Gives the roles what grants.sql says, after the migrations and whenever something is new.

A role that the server does not have is passed over: with one user for everything, as on a server of
the user's own, nothing is to be granted and the ledger's triggers alone defend it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import psycopg

from infra.plumbing.errors import MigrationFailed
from infra.plumbing.postgres.pool import session_conninfo
from infra.plumbing.postgres.provision import unreachable
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = ("rapport_app", "rapport_vault", "rapport_signer", "rapport_auditor")
GRANTS = Queries.beside("infra.plumbing.postgres", "grants.sql")
_STATE = """
SELECT
    (SELECT max(number) FROM ops.migrations),
    (SELECT coalesce(array_agg(rolname::text ORDER BY rolname), '{}')
        FROM pg_roles WHERE rolname = ANY (%s)),
    (SELECT digest FROM ops.grants),
    (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'ledger')
"""
_ONE_AT_A_TIME = "LOCK TABLE ops.grants IN SHARE ROW EXCLUSIVE MODE"
_REMEMBER = """
INSERT INTO ops.grants (digest) VALUES (%s)
ON CONFLICT (only_row) DO UPDATE SET digest = excluded.digest
"""


def grant(conninfo: str) -> bool:
    """Apply grants.sql where it, the roles or the migrations have changed; say whether it did.

    A user who does not own the ledger changes nothing: the owner's next start does it.

    Raises:
        MigrationFailed: PostgreSQL refused a grant.
        DatabaseUnreachable: nobody answers there.
    """
    try:
        conn = psycopg.connect(session_conninfo(conninfo, "grants"), autocommit=True)
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    with conn:
        if _is_done(conn):
            return False
        try:
            return _grant(conn)
        except psycopg.Error as error:
            reason = error.diag.message_primary or type(error).__name__
            raise MigrationFailed(
                f"The database's roles could not be given their rights: {reason}. See `Your own "
                "PostgreSQL` in docs/operator.md."
            ) from error


def _grant(conn: psycopg.Connection) -> bool:
    with conn.transaction():
        conn.execute(_ONE_AT_A_TIME)
        if _is_done(conn):
            return False  # another program was faster
        last, there, _, _ = _state(conn)
        for role in there:
            conn.execute(GRANTS[role])
        conn.execute(_REMEMBER, [_digest(last, there)])
    return True


def _is_done(conn: psycopg.Connection) -> bool:
    last, there, known, is_owner = _state(conn)
    return known == _digest(last, there) or not is_owner


def _state(conn: psycopg.Connection) -> tuple[int, list[str], bytes | None, bool]:
    """The last migration, the roles there are, what was applied, whether we own the ledger."""
    row = conn.execute(_STATE, [list(ROLES)]).fetchone()
    if row is None:
        raise LookupError("A SELECT without FROM answered no row.")
    last, there, known, is_owner = row
    return last, there, None if known is None else bytes(known), bool(is_owner)


def _digest(last: int, there: Sequence[str]) -> bytes:
    """What stands for the rights of `there` after migration `last`, 32 bytes."""
    texts = [GRANTS[role] for role in there]
    return hashlib.sha256(
        b"\0".join([str(last).encode(), *map(str.encode, there), *texts])
    ).digest()
