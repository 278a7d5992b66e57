"""Which API keys were revoked, in a file outside the database: a restored one has forgotten it.

A line is on the disk before the database says revoked:

    {"id": "<key id>", "at": ...}

Whatever lets people in or shows keys first brings file and database to the same: what either knows
to be revoked is so in both. So a key that was revoked once stays so, whichever of the two is older.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from events.times import format_time
from infra.plumbing.access import revoke_key
from infra.plumbing.away import AWAY
from infra.plumbing.errors import HouseError
from infra.plumbing.line_file import LineFile
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from threading import Event

    from psycopg import Connection

    from infra.plumbing.clock import Clock
    from infra.plumbing.postgres.pool import Pool

NAME: Final = "revoked-keys.ndjson"
LOOK_SECONDS: Final = 10.0
"""A serving program takes over what was revoked elsewhere within so long."""
_SQL: Final = Queries.beside("infra.plumbing", "access.sql")
_LOG = structlog.get_logger(__name__)


class RevokedDamaged(HouseError):
    """A line of the file cannot be read."""


class Revoked:
    """The file, one for each data folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """`folder` is the data folder; the file need not be there yet."""
        self.path = folder / NAME
        self._file = LineFile(self.path)
        self._clock = clock

    def revoke(self, connection: Connection[Any], key_id: str) -> bool:
        """End a key, in the transaction of `connection`; False if there is no valid one of this id.

        Raises:
            LinesUnusable: the file cannot be written; the key is as valid as before.
        """
        if connection.execute(_SQL["hold_key"], {"id": key_id}).fetchone() is None:
            return False
        self._note([key_id])
        return revoke_key(connection, key_id)

    def agree(self, connection: Connection[Any]) -> int:
        """Revoke what the file knows to be revoked, and note in it what the database does.

        Answers how many keys the database had for valid.

        Raises:
            RevokedDamaged, LinesUnusable: the file cannot be read or written.
        """
        known = {key_id for (key_id,) in connection.execute(_SQL["revoked_keys"])}
        kept = set(self._file.read(_id_in, self._damaged))
        self._note(sorted(known - kept))
        back = sorted(kept - known)
        again = connection.execute(_SQL["revoke_keys"], {"ids": back}).rowcount if back else 0
        if again:
            _LOG.warning("keys_revoked_again", count=again)
        return again

    def run(self, pool: Pool, stop: Event) -> None:
        """Make them agree until `stop` is set: keys are revoked with other data folders too."""
        while not stop.wait(LOOK_SECONDS):
            try:
                with pool.connection() as connection:
                    self.agree(connection)
            except (*AWAY, HouseError) as error:  # by now a fault is no reason to stop serving
                _LOG.warning("revoked_keys_wait", error=type(error).__name__)

    def _note(self, key_ids: Iterable[str]) -> None:
        at = format_time(self._clock())
        self._file.add({"id": key_id, "at": at} for key_id in key_ids)

    def _damaged(self, number: int) -> RevokedDamaged:
        return RevokedDamaged(
            f"Line {number} of {self.path} cannot be read, so a revoked key might let somebody in. "
            "Restore the file from a copy. If there is none and the database was not restored "
            "from a backup, move the file away: it is written anew from the database."
        )


def _id_in(line: Any) -> str:
    """Raises TypeError or KeyError if it is no line of ours."""
    return str(line["id"])
