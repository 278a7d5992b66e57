"""The rows the worker wrote last, so that busy customers are not read and unpacked again.

Right only because the worker is its tables' one writer and holds their locks. What a batch wrote
is remembered once the batch is committed; after any failure everything is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.tables import load_states

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from psycopg import Connection

    from services.projections.rows import StateRow
    from services.projections.tables import Table

MOST_CUSTOMERS = 4096
"""Rows remembered of each table: a bound on memory, some tens of kilobytes a customer."""


class Remembered:
    """The newest committed rows by table and customer."""

    def __init__(self, most: int = MOST_CUSTOMERS) -> None:
        """Remember nothing yet, and never more than `most` customers of a table."""
        self._most = most
        self._rows: dict[str, dict[UUID, StateRow]] = {}
        self._written: list[tuple[str, Sequence[StateRow]]] = []

    def load(
        self, connection: Connection[Any], table: Table, streams: Sequence[UUID]
    ) -> dict[UUID, StateRow]:
        """The rows of `streams`, read from the table where they are not remembered."""
        rows = self._rows.get(table.name, {})
        known = {stream: rows[stream] for stream in streams if stream in rows}
        missing = [stream for stream in streams if stream not in known]
        if missing:
            known.update(load_states(connection, table, missing))
        return known

    def wrote(self, table: Table, rows: Sequence[StateRow]) -> None:
        """Note what the open transaction wrote."""
        self._written.append((table.name, rows))

    def committed(self) -> None:
        """What was written stands: remember it, and forget who has not been seen for longest."""
        for name, written in self._written:
            rows = self._rows.setdefault(name, {})
            for row in written:
                rows.pop(row.stream, None)
                rows[row.stream] = row
            for stream in list(rows)[: max(len(rows) - self._most, 0)]:
                del rows[stream]
        self._written.clear()

    def forget(self) -> None:
        """Forget everything."""
        self._written.clear()
        self._rows.clear()
