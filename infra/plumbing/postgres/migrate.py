"""Brings a database to the shape this program needs: numbered SQL files, each applied once.

`infra/migrations/0001_pre_ledger.sql`: four digits, `pre` (safe before the new code runs) or `post`
(after it), a name. Files are applied in the order of their numbers under an advisory lock, each in
a transaction with its row in `ops.migrations`. A `post` file whose first line is
`-- no-transaction` (CREATE INDEX CONCURRENTLY) holds one statement that may be run twice. An
applied file is never edited: its checksum is compared at each start.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from infra.plumbing.errors import (
    MigrationChanged,
    MigrationFailed,
    MigrationMisnamed,
    MigrationOutOfOrder,
)
from infra.plumbing.postgres.pool import session_conninfo
from infra.plumbing.postgres.provision import unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[2] / "migrations"
NO_TRANSACTION = b"-- no-transaction"
_NAME = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")
_LOCK = 0x7261_7070_6F72_7401  # "rapport", 1
_WAIT = "SET lock_timeout = '60s'"
_OWN_TABLE = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_READ = "SELECT number, name, sha256 FROM ops.migrations ORDER BY number"
_WRITE = "INSERT INTO ops.migrations (number, name, sha256) VALUES (%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its whole file name, its bytes with plain line ends."""

    number: int
    name: str
    text: bytes

    @property
    def sha256(self) -> bytes:
        """The checksum (32 bytes) that is kept of an applied file."""
        return hashlib.sha256(self.text).digest()

    @property
    def in_transaction(self) -> bool:
        """Whether the file is applied in one transaction with its row."""
        return not (self.text.startswith(NO_TRANSACTION) and "_post_" in self.name)


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """Read the files of a folder in the order of their numbers.

    Raises:
        MigrationMisnamed: a name is not as above, or a number is there twice.
    """
    found: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise MigrationMisnamed(
                f"{file.name} is no migration's name; call it like 0001_pre_ledger.sql."
            )
        number = int(match[1])
        if found and found[-1].number == number:
            raise MigrationMisnamed(
                f"{found[-1].name} and {file.name} have the same number; renumber the newer one."
            )
        found.append(Migration(number, file.name, file.read_bytes().replace(b"\r\n", b"\n")))
    return found


def migrate(conninfo: str, folder: Path = FOLDER) -> list[Migration]:
    """Apply the files that the database does not have yet and return them; safe to run at once.

    Raises:
        MigrationError: a file is misnamed, changed, out of order, or fails; files before it stay
            applied, the failed one leaves nothing behind if it runs in a transaction.
        DatabaseUnreachable: nobody answers there.
    """
    wanted = migrations(folder)
    try:
        conn = psycopg.connect(session_conninfo(conninfo, "migrate"), autocommit=True)
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    with conn:
        known = _known(conn)
        if known is not None and not _pending(wanted, known):
            return []  # a user who may only work needs no more than this look
        _prepare(conn)
        pending = _pending(wanted, _known(conn) or {})
        for migration in pending:
            _apply(conn, migration)
    return pending


def _known(conn: psycopg.Connection) -> dict[int, tuple[str, bytes]] | None:
    """Number -> name and checksum of what was applied; None where we can see no such table."""
    try:
        return {row[0]: (row[1], bytes(row[2])) for row in conn.execute(_READ).fetchall()}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return None


def _prepare(conn: psycopg.Connection) -> None:
    """Wait for our turn (the lock goes with the connection) and see that our table is there."""
    try:
        conn.execute(_WAIT)
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        conn.execute(_OWN_TABLE)
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationFailed(
            "Another program has been migrating this database for more than 60 seconds. "
            "Wait for it, then start again."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            "The database user may not create schemas. Make it the owner of the database: "
            "ALTER DATABASE ... OWNER TO ..., or name its owner in RAPPORT_DATABASE_OWNER_URL."
        ) from error


def _pending(wanted: Sequence[Migration], applied: dict[int, tuple[str, bytes]]) -> list[Migration]:
    """Compare the files with what was applied; pure.

    Raises:
        MigrationChanged: an applied file has another content now.
        MigrationOutOfOrder: the database is ahead of the program, or a file is below its last.
    """
    last = max(applied, default=0)
    here = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in applied.items():
        known = here.get(number)
        if known is None:
            raise MigrationOutOfOrder(
                f"The database has the migration {name}, which this program does not know: it "
                "belongs to a newer release. Start that release."
            )
        if known.sha256 != checksum:
            raise MigrationChanged(
                f"{known.name} was changed after it was applied. Restore it, and put the change "
                "into a new file."
            )
    pending = [migration for migration in wanted if migration.number not in applied]
    late = [migration.name for migration in pending if migration.number < last]
    if late:
        raise MigrationOutOfOrder(
            f"{late[0]} comes before migration {last:04d}, which the database has already. "
            f"Number it above {last:04d}."
        )
    return pending


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    """Run one file and remember it."""
    row = (migration.number, migration.name, migration.sha256)
    try:
        if migration.in_transaction:
            with conn.transaction():
                conn.execute(migration.text)
                conn.execute(_WRITE, row)
        else:
            conn.execute(migration.text)
            conn.execute(_WRITE, row)
    except psycopg.Error as error:
        where = _line(migration.text, error.diag.statement_position)
        reason = error.diag.message_primary or str(error).strip()
        raise MigrationFailed(f"{migration.name}{where} failed: {reason}.") from error


def _line(text: bytes, position: str | None) -> str:
    """Turn PostgreSQL's character position (from 1) into a line of the file."""
    if position is None:
        return ""
    before = text.decode(errors="replace")[: int(position) - 1]
    return f", line {before.count(chr(10)) + 1},"
