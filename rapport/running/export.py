"""One export: ask the signer for a checkpoint of everything there is, then write the files."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import psycopg

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.export import export_log, refuse_export
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.platform import machine_user, platform_event
from infra.plumbing.ledger.signing import ASK_CHANNEL, SQL
from infra.plumbing.ledger.started import refuse_another_log
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
EXPORTED: Final = "log.exported"
_ASK = f"NOTIFY {ASK_CHANNEL}".encode()


def export_now(
    settings: Settings, folder: Path, progress: Callable[[int, int], object] | None = None
) -> tuple[Exported, int]:
    """Export into `folder`; also how many events came after the checkpoint it is good for.

    Raises:
        ExportRefused: nothing was signed yet, or something lies in `folder`.
        LogRefused: the database does not hold the log that was signed; nothing was recorded.
        HouseError: no database.
        LedgerBusy: the export could not be recorded just now.
    """
    with open_database(settings, attach=True, what="rapport export-log") as database:
        database.migrate()
        conninfo = session_conninfo(database.conninfo, "export")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            refuse_another_log(connection, settings.checkpoints_path)
            size = _ask_signer(connection)
            refuse_export(connection, folder)
            _record(conninfo, size)
            done = export_log(connection, folder, progress)
    return done, max(0, size - done.checkpoint.size)


def _record(conninfo: str, size: int) -> None:
    """That somebody reads the whole log stands in it before they do."""
    told = {"size": size, "reader": machine_user()}
    with Ledger.open(conninfo, connections=1) as ledger:
        ledger.append([platform_event(EXPORTED, f"export/{uuid4()}", system_clock(), told)])


def _ask_signer(connection: psycopg.Connection[Any]) -> int:
    """Wait for a checkpoint of what is there now, if a signer is at work; how many events it is."""
    [(_, size, _)] = connection.execute(SQL["head"]).fetchall()
    until = monotonic() + SIGNER_SECONDS
    connection.execute(_ASK)
    while monotonic() < until:
        row = connection.execute(SQL["signed"]).fetchone()
        if row is not None and row[0] is not None and row[0] >= size:
            break
        sleep(LOOK_SECONDS)
    return size
