"""The door to the read models' tables: make them, check them, load rows, write rows.

A table is `read.<name>_v<version>`; the view `read.<name>` shows the active version, so that a
reader's SQL never changes. Every state row says through which position it is folded (`position`)
and when the latest fact in it happened (`last_occurred_at`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql
from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries
from services.projections.errors import BrokenReadModel
from services.projections.read_model import StateModel
from services.projections.rows import ROW_COLUMNS, STATE_COLUMNS, StateRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString
    from uuid import UUID

    from psycopg import Connection

    from services.projections.discovery import Found
    from services.projections.read_model import ReadModel

SQL = Queries.beside("services.projections", "tables.sql")


@dataclass(frozen=True, slots=True)
class Table:
    """A read model with the statements that load, write and clear its rows.

    `name` is `<model>_v<version>`: the table's, and its checkpoint's.
    """

    model: ReadModel
    name: str
    columns: tuple[str, ...]
    write: sql.Composed
    load: sql.Composed
    clear: sql.Composed


def prepare(connection: Connection[Any], found: Sequence[Found]) -> tuple[Table, ...]:
    """Make the tables, views and checkpoints that are missing; safe to call from many at once.

    Raises:
        BrokenReadModel: a table.sql makes another table, or other columns than the fold fills.
    """
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(SQL["one_at_a_time"])
        return tuple(_prepare(connection, one) for one in found)


def load_states(
    connection: Connection[Any], table: Table, streams: Sequence[UUID]
) -> dict[UUID, StateRow]:
    """The stored rows of `streams`, unpacked; customers without a row are left out."""
    model = table.model
    if not isinstance(model, StateModel):
        return {}
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(table.load, {"streams": list(streams)}, prepare=True)
        return {
            stream: StateRow(stream, position, last, model.unpack(bytes(state)))
            for stream, position, last, state in cursor
        }


def write_rows(
    connection: Connection[Any], table: Table, arrays: Mapping[str, Sequence[Any]]
) -> None:
    """Write rows, given as column name -> values, in one statement; a row further on stays."""
    if arrays["stream"]:
        connection.execute(table.write, arrays, prepare=True)


def clear_rows(connection: Connection[Any], table: Table, streams: Sequence[UUID]) -> None:
    """Take every row of `streams` out of the table."""
    connection.execute(table.clear, {"streams": list(streams)})


def _prepare(connection: Connection[Any], found: Found) -> Table:
    model = found.model
    name = f"{model.name}_v{model.version}"
    if not _types(connection, name):
        connection.execute(found.table_sql)
    types = _types(connection, name)
    if not types:
        raise BrokenReadModel(f"{model.name}/table.sql does not make the table read.{name}.")
    _check_columns(model, set(types))
    if connection.execute(SQL["activate"], (model.name, model.version)).rowcount:
        view, table = sql.Identifier("read", model.name), sql.Identifier("read", name)
        connection.execute(sql.SQL("CREATE VIEW {} AS SELECT * FROM {}").format(view, table))
    connection.execute(SQL["checkpoint"], (name,))
    return _table(model, name, types)


def _types(connection: Connection[Any], name: str) -> dict[str, str]:
    """Column name -> SQL type, in the table's order; empty where there is no such table."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute(SQL["columns"], (name,)).fetchall())


def _check_columns(model: ReadModel, there: set[str]) -> None:
    """A state model says what it fills; a rows model is checked by its first row."""
    if not isinstance(model, StateModel):
        missing = set(ROW_COLUMNS) - there
        if missing:
            raise BrokenReadModel(f"{model.name}/table.sql lacks {', '.join(sorted(missing))}.")
        return
    wanted = {*STATE_COLUMNS, *model.columns}
    if wanted != there:
        raise BrokenReadModel(
            f"{model.name}: the fold fills {', '.join(sorted(wanted - there)) or 'nothing'} that "
            f"table.sql lacks; table.sql has {', '.join(sorted(there - wanted)) or 'nothing'} that "
            "the fold does not fill. Make the two agree."
        )


def _table(model: ReadModel, name: str, types: Mapping[str, str]) -> Table:
    table = sql.Identifier("read", name)
    columns = tuple(types)
    arrays = sql.SQL(", ").join(
        # %(..)b: binary, so neither text nor time zones are parsed twice.
        sql.Placeholder(column, format="b")
        + sql.SQL("::")
        + sql.SQL(cast("LiteralString", kind))
        # The type's name comes from the server's own format_type.
        + sql.SQL("[]")
        for column, kind in types.items()
    )
    insert = sql.SQL("INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) ").format(
        table=table,
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        arrays=arrays,
    )
    clear = sql.SQL("DELETE FROM {} WHERE stream = ANY(%(streams)s)").format(table)
    if isinstance(model, StateModel):
        settings = sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
            for column in columns
            if column != "stream"
        )
        conflict = sql.SQL(
            "ON CONFLICT (stream) DO UPDATE SET {settings}"
            " WHERE {table}.position < excluded.position"
        ).format(settings=settings, table=table)
        load = sql.SQL(
            "SELECT stream, position, last_occurred_at, state FROM {}"
            " WHERE stream = ANY(%(streams)s)"
        ).format(table)
        return Table(model, name, columns, insert + conflict, load, clear)
    write = insert + sql.SQL("ON CONFLICT DO NOTHING")
    return Table(model, name, columns, write, sql.Composed([]), clear)
