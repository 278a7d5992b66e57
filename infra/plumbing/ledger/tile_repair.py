"""The stored tiles made anew from the leaves, by the owner, who alone may replace one.

The application can add a tile, so a wrong one can come in; proofs are then made from the leaves,
slowly. Nothing is stored unless the leaves lead to the edge in the head row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from infra.plumbing.errors import HouseError
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.recount import LEAVES, leaves
from infra.plumbing.ledger.tiles import SQL, WIDTH, subtree_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection


class TilesRefused(HouseError):
    """The leaves are not those of the head, so no tile is made of them."""


def rebuild_tiles(connection: Connection[Any]) -> int:
    """Write every full tile as the leaves have it; how many were wrong, missing or too many.

    `connection` is the owner's. Appends and proofs go on meanwhile.

    Raises:
        TilesRefused: leaves are missing, or do not lead to the head's edge. Nothing was changed.
    """
    try:
        with connection.transaction():
            return _rebuild(connection)
    except LedgerGap as gap:
        raise TilesRefused(f"{gap} Restore a backup from before events were removed.") from None


def _rebuild(connection: Connection[Any]) -> int:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        [(size, edge)] = cursor.execute(SQL["edge"]).fetchall()
    tree, roots, mended = Frontier(), list[bytes](), 0
    while tree.size < size:  # LEAVES is a multiple of WIDTH: each reading begins with a tile
        found = leaves(connection, tree.size, min(tree.size + LEAVES, size))
        mended += _mend(connection, 0, tree.size // WIDTH, found, roots)
        tree.extend(found)
    if tree.packed() != bytes(edge):
        raise TilesRefused(
            f"The {size} leaves do not lead to the root of the head, so no tile is made of them: "
            "leaves or head were changed. Check an export against a checkpoint; restore a backup."
        )
    level = 0
    mended += _drop(connection, level, len(roots))
    while len(roots) >= WIDTH:
        level, below, roots = level + 1, roots, list[bytes]()
        mended += _mend(connection, level, 0, below, roots)
        mended += _drop(connection, level, len(roots))
    return mended + connection.execute(SQL["drop_above"], {"level": level + 1}).rowcount


def _mend(
    connection: Connection[Any],
    level: int,
    first: int,
    hashes: Sequence[bytes],
    roots: list[bytes],
) -> int:
    """Store the full tiles over `hashes` from index `first` on, and add their roots to `roots`."""
    whole = [b"".join(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
    made = [subtree_root(each) for each in whole]
    roots.extend(made)
    several = range(first, first + len(whole))
    told = {"level": level, "indexes": list(several), "roots": made, "hashes": whole}
    return connection.execute(SQL["mend"], told).rowcount


def _drop(connection: Connection[Any], level: int, full: int) -> int:
    """Take away tiles that cannot be full yet."""
    return connection.execute(SQL["drop_beyond"], {"level": level, "full": full}).rowcount
