"""One export: ask the signer for a checkpoint of everything there is, then write the files."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psycopg

from infra.plumbing.ledger.export import export_log
from infra.plumbing.ledger.signing import ASK_CHANNEL, SQL
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.pool import session_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.plumbing.ledger.export import Exported
    from infra.plumbing.settings import Settings

SIGNER_SECONDS = 5.0
"""How long a signer may take to answer; a log that was never signed takes it longer."""
LOOK_SECONDS = 0.05
_ASK = f"NOTIFY {ASK_CHANNEL}".encode()


def export_now(
    settings: Settings, folder: Path, progress: Callable[[int, int], object] | None = None
) -> tuple[Exported, int]:
    """Export into `folder`; also how many events came after the checkpoint it is good for.

    Raises:
        ExportRefused: nothing was signed yet, or something lies in `folder`.
        HouseError: no database.
    """
    with open_database(settings, attach=True, what="rapport export-log") as database:
        database.migrate()
        conninfo = session_conninfo(database.conninfo, "export")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            _ask_signer(connection)
            done = export_log(connection, folder, progress)
            size = connection.execute(SQL["head"]).fetchall()[0][1]
    return done, size - done.checkpoint.size


def _ask_signer(connection: psycopg.Connection[Any]) -> None:
    """Wait for a checkpoint of what is there now, while a signer may be at work on it."""
    [(_, size, _)] = connection.execute(SQL["head"]).fetchall()
    until = monotonic() + SIGNER_SECONDS
    connection.execute(_ASK)
    while monotonic() < until:
        row = connection.execute(SQL["signed"]).fetchone()
        if row is not None and row[0] is not None and row[0] >= size:
            return
        sleep(LOOK_SECONDS)
