"""Reads one customer's timeline, newest first, and when each type of event last came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import namedtuple_row, tuple_row

from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection

SQL = Queries.beside("services.projections.read_models.customer_timeline", "reader.sql")


class Place(NamedTuple):
    """A row's place in a customer's timeline."""

    occurred_at: datetime
    position: int


class Limits(NamedTuple):
    """Which rows count: happened and recorded by then, of a type, simulated or not. None: any."""

    as_of: datetime
    known_at: datetime | None = None
    type: str | None = None
    simulated: bool | None = None


def page(
    connection: Connection[Any], customer: UUID, limits: Limits, before: Place | None, size: int
) -> list[Any]:
    """At most `size` rows within `limits` that lie before the place `before` (None: the newest).

    A row has the columns of the table by name, times aware and in UTC.
    """
    wanted = {
        "stream": customer,
        **limits._asdict(),
        "before_time": before and before.occurred_at,
        "before_position": before and before.position,
        "limit": size,
    }
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(SQL["page"], wanted).fetchall()


def newest(
    connection: Connection[Any],
    types: Collection[str],
    as_of: datetime,
    known_at: datetime | None = None,
) -> dict[str, datetime]:
    """When, by `as_of` and as known at `known_at`, an event of each type last happened to anyone.

    A type that never did is left out.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(SQL["newest"], {"types": list(types), "as_of": as_of, "known_at": known_at})
        return dict(cursor.fetchall())
