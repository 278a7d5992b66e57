"""The tree worked out anew from what the database holds: out of leaves, or out of whole rows.

Nothing that was stored to be quick (tiles, the head's edge) is asked. Out of leaves it costs about
a second a million events (decision 0036); rows are read and hashed whole.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import (
    NO_LEAF,
    Frontier,
    encode_text,
    join_header,
    leaf_hash,
)
from infra.plumbing.ledger.merkle import HASH_BYTES
from infra.plumbing.ledger.scan import scan
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg import Connection

    from infra.plumbing.ledger.scan import Entry

LEAVES, ROWS = 16_384, 5_000
"""Read in one go: 512 KiB of leaves; rows with their bodies."""
FIRST_VERSIONS = (0, 1)
_SQL = Queries.beside("infra.plumbing.ledger", "recount.sql")


class RowWrong(Exception):
    """What is recorded at `position` is not what was hashed into its leaf."""

    def __init__(self, position: int) -> None:
        """Say where."""
        super().__init__(f"The event at position {position} does not fit its leaf.")
        self.position = position


def header_of(entry: Entry, previous_leaf: bytes) -> bytes:
    """The packed header of an entry that stands behind `previous_leaf` in its stream."""
    names = (entry.source, entry.event_id, entry.type, entry.schema)
    return join_header(
        entry.stream,
        entry.version,
        previous_leaf,
        b"".join(map(encode_text, names)),
        entry.occurred_at,
        entry.recorded_at,
        encode_text(entry.key_id),
    )


def digest_of(entry: Entry) -> bytes:
    """The SHA-256 of an entry's body; where it was dropped, the one it left behind."""
    return entry.body_digest or b"" if entry.body is None else sha256(entry.body).digest()


def leaves(connection: Connection[Any], after: int, up_to: int) -> list[bytes]:
    """The leaves after position `after` through `up_to`; keep the window small.

    Raises:
        LedgerGap: one is missing.
    """
    window = {"after": after, "up_to": up_to}
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        [(count, joined)] = cursor.execute(_SQL["leaves"], window).fetchall()
        if count != up_to - after or len(joined) != HASH_BYTES * count:
            [(place, found)] = cursor.execute(_SQL["gap"], window).fetchall() or [(up_to, up_to)]
            raise LedgerGap(place - 1, found)
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def grow(connection: Connection[Any], tree: Frontier, size: int) -> None:
    """Add the stored leaves up to `size` to `tree`.

    Raises:
        LedgerGap: one is missing.
    """
    while tree.size < size:
        tree.extend(leaves(connection, tree.size, min(tree.size + LEAVES, size)))


def roots_of_leaves(connection: Connection[Any], sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of the first so many stored leaves, for each of `sizes`, in one reading.

    Raises:
        LedgerGap: a leaf is missing.
    """
    tree, roots = Frontier(), dict[int, bytes]()
    for size in sorted(set(sizes)):
        grow(connection, tree, size)
        roots[size] = tree.root()
    return roots


def tree_of_rows(
    connection: Connection[Any], size: int, seen: Callable[[Frontier], object], stops: Iterable[int]
) -> Frontier:
    """The tree of the first `size` rows, each of which must fit its leaf and follow its stream.

    `seen` is called with the tree at each of the sizes in `stops` that is not beyond `size`. Memory
    grows with the number of customers.

    Raises:
        RowWrong: a row is not what its leaf says, or does not follow the one before in its stream.
        LedgerGap: a position is missing.
    """
    tree = Frontier()
    rows = _leaves_of_rows(connection, size)
    for stop in sorted({*(each for each in stops if each < size), size}):
        while tree.size < stop:
            tree.extend(list(islice(rows, min(ROWS, stop - tree.size))))
        seen(tree)
    return tree


def _leaves_of_rows(connection: Connection[Any], size: int) -> Iterator[bytes]:
    last: dict[bytes, tuple[int, bytes]] = {}
    after = 0
    while after < size:
        window = (after, min(after + ROWS, size))
        for entry in scan(connection, *window):
            version, before = last.get(entry.stream, (None, NO_LEAF))
            follows = (
                entry.version in FIRST_VERSIONS
                if version is None
                else (entry.version == version + 1)
            )
            leaf = leaf_hash(header_of(entry, before), digest_of(entry))
            if not follows or leaf != entry.leaf:
                raise RowWrong(entry.position)
            last[entry.stream] = (entry.version, leaf)
            after = entry.position
            yield leaf
        if after != window[1]:
            raise LedgerGap(after, window[1] + 1)
