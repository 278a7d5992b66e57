"""The live files of the vault without what was deleted from it.

A deleted row's bytes stay in its table's file until something is written over them, and a plain
VACUUM does not write over them. So the tables are rewritten whole. That shuts writers out for as
long as it takes, so it is done seldom: once for every erasure that waits, and at most a twentieth
of the time.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from psycopg import Connection
    from psycopg.errors import Diagnostic

REST_FACTOR: Final = 19
"""After a rewriting its tables are left alone for so many times as long as it took."""
BUSY_SECONDS: Final = 15.0
"""When to try again after somebody held a table, or could still see what was deleted."""
TABLES: Final = ("keys", "identifiers", "quarantine")
_SQL: Final = Queries.beside("infra.plumbing.vault", "rewriting.sql")
_NUMBER: Final = re.compile(r"\d+")


class NotYet(Exception):
    """The files cannot be rewritten just now; nothing is lost by trying again."""

    def __init__(self, seconds: float) -> None:
        """Say after how many seconds to try again."""
        super().__init__(f"The vault's files are rewritten in {seconds:.0f} s.")
        self.seconds = seconds


class Rewriter:
    """Rewrites the vault's tables as their owner."""

    def __init__(
        self,
        conninfo: str,
        *,
        rest_factor: float = REST_FACTOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work as the user in `conninfo`, who should own the tables."""
        self._conninfo = conninfo
        self._rest_factor = rest_factor
        self._clock = clock
        self._rested = float("-inf")
        self._done: tuple[datetime, int] | None = None

    def rewrite(self, deleted: datetime) -> int:
        """See that the live files hold nothing that was deleted before `deleted`.

        Answers how many tables were rewritten, then or by an earlier call; 0 if our user may not.

        Raises:
            NotYet: somebody holds a table or can still see what was deleted, it is too soon, or
                the database does not answer.
        """
        if self._done is not None and deleted < self._done[0]:
            return self._done[1]
        begun = self._clock()
        if begun < self._rested:
            raise NotYet(self._rested - begun)
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                self._done = _rewritten(connection)
        except psycopg.OperationalError:  # a lock that somebody holds is one
            raise NotYet(BUSY_SECONDS) from None
        ended = self._clock()
        self._rested = ended + self._rest_factor * (ended - begun)
        return self._done[1]


def _rewritten(connection: Connection[Any]) -> tuple[datetime, int]:
    """When it began, by the database's clock, and how many tables were rewritten."""
    told: list[tuple[str | None, str | None]] = []

    def hear(notice: Diagnostic) -> None:
        told.append((notice.severity_nonlocalized, notice.message_detail))

    connection.add_notice_handler(hear)
    with connection.cursor(row_factory=tuple_row) as cursor:
        [(begun, ours)] = cursor.execute(_SQL["now"])
        if not ours:
            return begun, 0
        cursor.execute(_SQL["wait_briefly"])
        for table in TABLES:
            cursor.execute(_SQL[table])
        details = [detail for severity, detail in told if severity == "INFO" and detail]
        still_seen = [int(found[0]) for each in details if (found := _NUMBER.search(each))]
        if len(still_seen) < len(TABLES) or any(still_seen):
            raise NotYet(BUSY_SECONDS)
        # Else the server's own checkpoint comes within checkpoint_timeout.
        with suppress(psycopg.errors.InsufficientPrivilege):
            cursor.execute(_SQL["checkpoint"])
    return begun, len(TABLES)
