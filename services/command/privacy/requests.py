"""What was asked about a customer's data, and how far it is: the rows of `ops.privacy_requests`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from psycopg.rows import tuple_row

from infra.plumbing.ledger.answers import Receipt
from infra.plumbing.queries import Queries
from services.command.privacy.values import Done, Kind, Name, Request

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from psycopg import Connection

SQL: Final = Queries.beside("services.command.privacy", "privacy.sql")


def ask(connection: Connection[Any], kind: Kind, whom: UUID | Name, by: str) -> UUID:
    """Note a request about a customer or about a name that nobody has, and answer its id.

    Of a customer already being erased, the first request's.
    """
    name = whom if isinstance(whom, Name) else None
    stream = None if isinstance(whom, Name) else whom
    wanted = {
        "type": kind,
        "stream": stream,
        "hash": name and name.listed,
        "lookup": name and name.lookup,
        "asked_by": by,
    }
    row = connection.execute(SQL["ask"], wanted).fetchone()
    if row is None:
        row = connection.execute(SQL["erasure_of"], {"stream": stream}).fetchone()
    if row is None:
        raise LookupError("A request was neither written nor there.")
    return row[0]


def read(connection: Connection[Any], request: UUID) -> tuple[Request, list[Done]] | None:
    """A request with the steps done for it; None if there is none."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(SQL["request"], {"id": request}).fetchone()
        return None if row is None else (_request(row), steps_of(connection, request))


def take_next(connection: Connection[Any], passed: Collection[UUID]) -> Request | None:
    """The oldest open request that nobody works on and is not in `passed`, held until commit."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(SQL["next"], {"passed": list(passed)}).fetchone()
        return None if row is None else _request(row)


def turn_to(connection: Connection[Any], request: UUID, stream: UUID) -> None:
    """Let a request about a name be about the customer `stream`, whose name it has become.

    Raises:
        UniqueViolation: it is an erasure, and this customer's was asked for already.
    """
    connection.execute(SQL["turn_to"], {"id": request, "stream": stream})


def steps_of(connection: Connection[Any], request: UUID) -> list[Done]:
    """The steps done for a request, in order."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return [Done(*row) for row in cursor.execute(SQL["steps"], {"id": request})]


def note_step(connection: Connection[Any], request: UUID, done: Done) -> None:
    """Write down that a step is done, in the transaction that did it."""
    row = {
        "id": request,
        "number": done.number,
        "step": done.step,
        "counts": orjson.dumps(done.counts).decode(),
        "positions": list(done.positions),
    }
    connection.execute(SQL["step_done"], row)


def receipts_of(connection: Connection[Any], done: Sequence[Done]) -> list[Receipt]:
    """Where the events stand that the steps appended."""
    wanted = [position for step in done for position in step.positions]
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(SQL["receipts"], {"positions": wanted})
        return [Receipt(stream, version, at, bytes(leaf)) for stream, version, at, leaf in found]


def finish(connection: Connection[Any], request: UUID, certificate: Mapping[str, Any]) -> None:
    """Close a request with its certificate; the hash it worked with goes."""
    packed = orjson.dumps(certificate, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    connection.execute(SQL["done"], {"id": request, "certificate": packed})


def _request(row: tuple[Any, ...]) -> Request:
    request, kind, *rest = row
    return Request(request, Kind(kind), *rest)
