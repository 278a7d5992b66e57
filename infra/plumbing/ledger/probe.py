"""Is the ledger there? Asked on a connection of its own: no full pool holds the answer up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import psycopg

from infra.plumbing.ledger.append import SQL
from infra.plumbing.postgres.pool import session_conninfo

if TYPE_CHECKING:
    from asyncio import Task

PATIENCE_SECONDS: Final = 2.0


class Probe:
    """Asks the database at `conninfo`. However many ask, one connection is open for it at most."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = session_conninfo(conninfo, "ready")
        self._asking: Task[int | None] | None = None

    async def recorded(self) -> int | None:
        """The ledger's last position (0 while it is empty); None if it does not say so in 2 s."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Not wait_for: giving a frozen server up may itself take seconds, and goes on unwatched.
        done, _ = await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)
        return done.pop().result() if done else None

    async def _ask(self) -> int | None:
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                await psycopg.AsyncConnection.connect(self._conninfo) as connection,
            ):
                row = await (await connection.execute(SQL["size"])).fetchone()
        except (psycopg.Error, TimeoutError):
            return None
        return None if row is None else row[0]
