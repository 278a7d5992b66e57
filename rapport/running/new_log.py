"""The operator's way out after a restore: end the log that was lost, begin a new one. One call."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.restored import Asked, NewLog, start_new_log
from infra.plumbing.ledger.signing import places_of
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.pool import session_conninfo

if TYPE_CHECKING:
    from infra.plumbing.settings import Settings


def begin_new_log(settings: Settings, reason: str) -> NewLog:
    """Begin a new log on the database as it is; no platform may run on the data folder.

    Raises:
        NewLogRefused: there is no need for one, or no reason was given.
        HouseError: the data folder, the database, the key, in words for whoever typed it.
    """
    with open_database(settings, what="rapport new-log") as database:
        database.migrate()
        owner = session_conninfo(database.owner_conninfo, "new-log")
        with psycopg.connect(owner, autocommit=True) as connection:
            asked = Asked(reason, uuid4(), system_clock())
            return start_new_log(connection, places_of(settings), asked)
