"""A database that no longer defends itself: what tests plant in it is for the readers to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import Connection


def switch_off_defences(connection: Connection[Any], *tables: str) -> None:
    """Switch off what guards `tables`, as their owner or a superuser could; appends go on."""
    for table in tables:
        off = sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER")
        connection.execute(off.format(sql.Identifier(*table.split("."))))
    connection.execute("ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER head_row")
