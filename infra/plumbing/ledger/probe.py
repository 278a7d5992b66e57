"""Is the ledger there, and is it signed? On a connection of its own: no full pool holds it up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import psycopg

from infra.plumbing.ledger.covered import Covered
from infra.plumbing.ledger.signing import SQL
from infra.plumbing.postgres.pool import session_conninfo

if TYPE_CHECKING:
    from asyncio import Task

PATIENCE_SECONDS: Final = 2.0


class Probe:
    """Asks the database at `conninfo`. However many ask, one connection is open for it at most."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = session_conninfo(conninfo, "ready")
        self._asking: Task[Covered | None] | None = None

    async def look(self) -> Covered | None:
        """How much is recorded, and how much of it is signed; None if it does not say so in 2 s."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Not wait_for: giving a frozen server up may itself take seconds, and goes on unwatched.
        done, _ = await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)
        return done.pop().result() if done else None

    async def _ask(self) -> Covered | None:
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                await psycopg.AsyncConnection.connect(self._conninfo) as connection,
            ):
                row = await (await connection.execute(SQL["covered"])).fetchone()
        except (psycopg.Error, TimeoutError):
            return None
        return None if row is None else Covered.of_row(row)
