"""A connection that reads with the same few queries again and again.

psycopg works out anew, for each cursor, how the columns of a query become Python values. For fifty
rows that is a tenth of the whole time, so a connection keeps a cursor for each of its queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Cursor

MOST_KEPT_ROWS = 500
"""A cursor holds its last rows; one that had more of them is let go."""


class LedgerConnection(Connection[Any]):
    """One of the ledger's connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without a cursor."""
        super().__init__(*args, **kwargs)
        self._readers: dict[bytes, Cursor[tuple[Any, ...]]] = {}

    def fetch(
        self, query: bytes, parameters: Mapping[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Every row of `query`, prepared, in binary. The queries are constants, so few are kept."""
        cursor = self._readers.get(query)
        if cursor is None:
            cursor = self.cursor(row_factory=tuple_row, binary=True)
            self._readers[query] = cursor
        rows = cursor.execute(query, parameters, prepare=True).fetchall()
        if len(rows) > MOST_KEPT_ROWS:
            del self._readers[query]
        return rows
