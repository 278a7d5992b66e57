"""The whole log in order, as fast as Python reads it: one query, its rows taken as they come.

The rows come in chunks and in binary, and psycopg's C code makes entries of them; nothing is
unpacked in Python. Memory stays bounded whatever the log's length. What else was measured stands in
decision 0020.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import Connection, Cursor
    from psycopg.rows import RowMaker

CHUNK = 100
"""Rows that are fetched, and held, at a time; more of them gain nothing."""
_SQL = Queries.beside("infra.plumbing.ledger", "scan.sql")


class Entry(NamedTuple):
    """One event as the log holds it: times in microseconds since 1970, `stream` its 16 bytes.

    `body` is None where it was dropped; `body_digest`, its SHA-256, then stands there for it.
    """

    position: int
    version: int
    occurred_at: int
    recorded_at: int
    stream: bytes
    leaf: bytes
    body_digest: bytes | None
    source: str
    event_id: str
    type: str
    schema: str
    key_id: str
    body: bytes | None


def scan(connection: Connection[Any], after: int = 0, up_to: int | None = None) -> Generator[Entry]:
    """Every entry after position `after`, through `up_to` (None: all there is now), in order.

    Raises:
        LedgerGap: the positions are not dense.
    """
    window = {"after": after, "up_to": up_to}
    with connection.cursor(binary=True, row_factory=_entries) as cursor:
        load_plainly(cursor)
        rows = cast("Generator[Entry]", cursor.stream(_SQL["entries"], window, size=CHUNK))
        with closing(rows):
            for entry in rows:
                after += 1
                if entry.position != after:
                    raise LedgerGap(after - 1, entry.position)
                yield entry


def load_plainly(cursor: Cursor[Any]) -> None:
    """Times and UUIDs as they come, whole numbers and 16 bytes; more would be made for nothing."""
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    cursor.adapters.register_loader("uuid", ByteaBinaryLoader)


def _entries(_cursor: Cursor[Any]) -> RowMaker[Entry]:
    """Makes an Entry of a row without a call in Python."""
    return partial(cast("Any", tuple).__new__, Entry)
