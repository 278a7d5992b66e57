"""A database that no longer defends itself: what tests plant in it is for the readers to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import Connection

LEDGER = ("ledger.rows", "ledger.streams", "ledger.head")


def switch_off_defences(connection: Connection[Any], *tables: str) -> None:
    """Switch off what guards the ledger, and `tables`, as a superuser could; appends go on."""
    for table in (*LEDGER, *tables):
        off = sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER")
        connection.execute(off.format(sql.Identifier(*table.split("."))))
    connection.execute("ALTER TABLE ledger.rows ENABLE ALWAYS TRIGGER head_row")
