"""The whole log in order, as fast as Python reads it: binary COPY, unpacked by hand.

One server-side stream, so memory stays bounded whatever the log's length. Measured against
psycopg's rows in decision 0020.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.rows import EPOCH_SHIFT, START

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from psycopg import Connection

COLUMNS = (
    b"position, version, occurred_at, recorded_at, stream, leaf, body_digest,"
    b" source, event_id, type, schema, key_id, body"
)
_FIXED = struct.Struct(">hiqiqiqiqi16si32si32s")
_LENGTH = struct.Struct(">i")
_TEXTS = 5
_TRAILER = b"\xff\xff"


class Entry(NamedTuple):
    """One event as the log holds it: times in microseconds since 1970, `stream` its 16 bytes.

    `body` is None where it was dropped; its digest stays.
    """

    position: int
    version: int
    occurred_at: int
    recorded_at: int
    stream: bytes
    leaf: bytes
    body_digest: bytes
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
    query = (
        b"COPY (SELECT " + COLUMNS + b" FROM ledger.events WHERE position > %s AND position <= "
        b"coalesce(%s, 9223372036854775807) ORDER BY position) TO STDOUT (FORMAT binary)"
    )
    with connection.cursor() as cursor, cursor.copy(query, (after, up_to)) as copy:
        yield from entries(copy, after)


def entries(blocks: Iterable[bytes | bytearray | memoryview], after: int) -> Generator[Entry]:
    """The entries in the blocks of a COPY, one row a block, as PostgreSQL sends them.

    Raises:
        LedgerGap: the positions do not follow `after` without a hole.
    """
    shared: dict[bytes, str] = {}
    for block in blocks:
        row = bytes(block)
        row = row.removeprefix(START)
        if row == _TRAILER or not row:
            continue
        entry = _entry(row, shared)
        after += 1
        if entry.position != after:
            raise LedgerGap(after - 1, entry.position)
        yield entry


def _entry(row: bytes, shared: dict[bytes, str]) -> Entry:
    fixed = _FIXED.unpack_from(row)
    at = _FIXED.size
    texts: list[str] = []
    for _ in range(_TEXTS):
        (length,) = _LENGTH.unpack_from(row, at)
        at += 4
        raw = row[at : at + length]
        at += length
        text = shared.get(raw)
        if text is None:
            text = raw.decode()
            if len(shared) < 1000 and len(texts) != 1:  # noqa: PLR2004 - ids are not shared
                shared[raw] = text
        texts.append(text)
    (length,) = _LENGTH.unpack_from(row, at)
    at += 4
    return Entry(
        fixed[2],
        fixed[4],
        fixed[6] + EPOCH_SHIFT,
        fixed[8] + EPOCH_SHIFT,
        fixed[10],
        fixed[12],
        fixed[14],
        texts[0],
        texts[1],
        texts[2],
        texts[3],
        texts[4],
        None if length < 0 else row[at : at + length],
    )
