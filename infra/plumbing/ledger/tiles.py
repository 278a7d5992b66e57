"""The tree's inner hashes, kept in full tiles behind the appends, and read back for proofs.

C2SP tlog-tiles layout: tile `index` of tile level `L` holds the roots of the perfect subtrees of
2**(8 L) leaves with the numbers 256 index to 256 index + 255. A tile is stored when it is full;
what is not stored (the right edge, and what the writer has not done yet) is read from the leaves
in `ledger.events`. So tiles make proofs quick and are never needed for them to be right: a proof is
checked against the head's root before it is answered, and made from the leaves if it fails.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg import OperationalError
from psycopg.rows import tuple_row

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import node_hash
from infra.plumbing.ledger.merkle import HASH_BYTES
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from threading import Event

    from psycopg import Connection

    from infra.plumbing.postgres.pool import Pool

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile."""
TOGETHER: Final = 16
"""Tiles written in one statement: 4,096 leaves, 128 KiB."""
REMEMBERED_TILES: Final = 64
REMEMBERED_NODES: Final = 4096
POLL_SECONDS: Final = 1.0
SQL: Final = Queries.beside("infra.plumbing.ledger", "tiles.sql")
_LOG = structlog.get_logger(__name__)

Rows = Callable[[bytes, dict[str, Any]], list[tuple[Any, ...]]]
"""Reads rows with a query and its parameters, in binary; `LedgerRecorder.rows` is one."""


def subtree_root(hashes: bytes, start: int = 0, count: int | None = None) -> bytes:
    """The root over `count` (a power of two; all by default) joined hashes from number `start`."""
    many = len(hashes) // HASH_BYTES if count is None else count
    row = [
        hashes[at : at + HASH_BYTES]
        for at in range(start * HASH_BYTES, (start + many) * HASH_BYTES, HASH_BYTES)
    ]
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


class TileReader:
    """Reads hashes of perfect subtrees within the first `size` leaves; lives for one answer.

    Memory is bounded: of long reads the tiles least recently used are forgotten.
    """

    def __init__(self, rows: Rows, size: int, *, stored: bool = True) -> None:
        """Read with `rows`; `size` must not exceed what is committed.

        Without `stored` no tile is believed: everything is worked out from leaves.
        """
        self._rows = rows
        self._size = size
        self._stored = stored
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._node = lru_cache(maxsize=REMEMBERED_NODES)(self._read)

    def node(self, level: int, index: int) -> bytes:
        """The root of the 2**level leaves from leaf index * 2**level on, all within `size`.

        Raises:
            LedgerGap: leaves of it are missing.
        """
        return self._node(level, index)

    def _read(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        hashes = self._hashes(tile_level, first // WIDTH)
        return subtree_root(hashes, first % WIDTH, 1 << height)

    def _hashes(self, level: int, index: int) -> bytes:
        """The hashes of a tile, as many as the tree has."""
        known = self._tiles.get((level, index))
        if known is None:
            known = self._tiles[level, index] = self._load(level, index)
            if len(self._tiles) > REMEMBERED_TILES:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end((level, index))
        return known

    def _load(self, level: int, index: int) -> bytes:
        first = index * WIDTH
        count = min(WIDTH, (self._size >> HEIGHT * level) - first)
        if count == WIDTH and self._stored:
            stored = self._rows(SQL["tile"], {"level": level, "index": index})
            if stored:
                return bytes(stored[0][0])
        if level == 0:
            return self._leaves(first, count)
        return self._roots(level - 1, first, count)

    def _leaves(self, first: int, count: int) -> bytes:
        rows = self._rows(SQL["leaves"], {"after": first, "up_to": first + count})
        for place, (position, _) in enumerate(rows, start=first + 1):
            if position != place:
                raise LedgerGap(place - 1, position)
        if len(rows) != count:
            raise LedgerGap(first + len(rows), self._size + 1)
        return b"".join(leaf for _, leaf in rows)

    def _roots(self, level: int, first: int, count: int) -> bytes:
        window = {"level": level, "first": first, "last": first + count - 1}
        rows = self._rows(SQL["roots"], window) if self._stored else []
        stored = {index: bytes(root) for index, root in rows}
        return b"".join(
            stored.get(index) or subtree_root(self._hashes(level, index))
            for index in range(first, first + count)
        )


class TileWriter:
    """Stores full tiles behind the appends. Many programs may do so side by side."""

    def __init__(self, pool: Pool) -> None:
        """Work over `pool`, as the application."""
        self._pool = pool

    def run(self, stop: Event) -> None:
        """Store tiles as they fill, until `stop` is set."""
        while not stop.is_set():
            try:
                written = self.once()
            except (OperationalError, LedgerGap) as error:
                _LOG.warning("tiles_wait", error=type(error).__name__)
                written = 0
            if not written:
                stop.wait(POLL_SECONDS)

    def once(self) -> int:
        """Store some of the full tiles that are missing at the end; returns how many.

        A tile's content follows from its place, so two writers write the same.

        Raises:
            LedgerGap: leaves are missing.
            psycopg.OperationalError: the database does not answer.
        """
        with self._pool.connection() as connection:
            [size] = _row(connection, SQL["recorded"], {})
            written = 0
            level = 0
            while size >> HEIGHT * (level + 1):
                written += _fill(connection, level, size >> HEIGHT * (level + 1))
                level += 1
        return written


def _fill(connection: Connection[Any], level: int, full: int) -> int:
    """Store the next tiles of `level`, of which `full` can be stored by now."""
    [first] = _row(connection, SQL["next_tile"], {"level": level})
    last = min(full, first + TOGETHER)
    if first >= last:
        return 0
    query = SQL["leaves_by_tile" if level == 0 else "roots_by_tile"]
    window = {"level": level - 1, "first": first * WIDTH, "last": last * WIDTH - 1}
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        found = cursor.execute(query, window).fetchall()
        whole = _whole(level, first, found)
        cursor.execute(
            SQL["store"],
            {
                "level": level,
                "indexes": [index for index, _ in whole],
                "hashes": [hashes for _, hashes in whole],
                "roots": [subtree_root(hashes) for _, hashes in whole],
            },
        )
    return len(whole)


def _whole(level: int, first: int, found: list[tuple[Any, ...]]) -> list[tuple[int, bytes]]:
    """Those of the tiles found that follow `first` without a hole and are full.

    Raises:
        LedgerGap: leaves are missing. (A missing tile of the level below is only late.)
    """
    whole: list[tuple[int, bytes]] = []
    for place, (index, hashes) in enumerate(found, start=first):
        if index != place or len(hashes) != WIDTH * HASH_BYTES:
            if level == 0:
                raise LedgerGap(place * WIDTH, index * WIDTH + 1)
            break
        whole.append((index, bytes(hashes)))
    return whole


def _row(connection: Connection[Any], query: bytes, parameters: dict[str, Any]) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise LookupError("A query that always answers one row answered none.")
    return row
