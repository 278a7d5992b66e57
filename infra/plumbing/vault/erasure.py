"""Forgetting a customer, and keeping their names from coming back.

Everything here works in the transaction of the connection it is given and commits nothing. The
fence and the list are locks' work: a fence is put up under the ledger's head lock, so every append
is before it or sees it; the list changes alone, so no writer remembers a name while it is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from psycopg.rows import tuple_row

from infra.plumbing.ledger.append import Writer
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome
    from infra.plumbing.vault.hashes import Hashes

_SQL = Queries.beside("infra.plumbing.vault", "erasure.sql")


class Forgotten(NamedTuple):
    """What an erasure took out of the vault, and how many names it put on the list."""

    keys: int
    identifiers: int
    listed: int


def fence(connection: Connection[Any], stream: UUID) -> bool:
    """Let `stream` take no more events; False if it took none already.

    Under the head lock: what is appended after this transaction's end sees the fence.
    """
    connection.execute(_SQL["lock_head"])
    return connection.execute(_SQL["fence"], {"stream": stream}).rowcount == 1


def append_behind_fence(connection: Connection[Any], event: NewEvent) -> Outcome:
    """Append one last `event` to a fenced stream.

    The fence is down only while the head lock is held, so no other append finds it down.
    """
    connection.execute(_SQL["lock_head"])
    connection.execute(_SQL["take_down_fence"], {"stream": event.stream})
    outcome = Writer().append_within(connection, event)
    connection.execute(_SQL["fence"], {"stream": event.stream})
    return outcome


def forget(connection: Connection[Any], hashes: Hashes, stream: UUID) -> Forgotten:
    """Destroy the key of `stream` and remove its identifiers; their hashes go on the list.

    All at once, so that no writer finds a name without its key, or a name gone and not listed.
    """
    person = uuid4()
    with _cursor(connection) as cursor:
        _take_list(cursor)
        destroyed = cursor.execute(_SQL["destroy_key"], {"stream": stream}).fetchall()
        removed = cursor.execute(_SQL["remove_identifiers"], {"stream": stream}).fetchall()
        listed = _list(cursor, person, (hashes.listed(bytes(lookup)) for (lookup,) in removed))
        for (before,) in destroyed:
            if before is not None:
                both = {"person": person, "before": before}
                listed += cursor.execute(_SQL["rename"], both).rowcount
                cursor.execute(_SQL["rename_quarantine"], both)
    return Forgotten(len(destroyed), len(removed), listed)


def suppress(
    connection: Connection[Any], hashes: Hashes, stream: UUID | None, listed: bytes | None
) -> int:
    """Put all names of the customer `stream`, or the one name hashed as `listed`, on the list.

    Answers how many names this call put there or found there.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        wanted = set[bytes]() if listed is None else {listed}
        person = _person_of(cursor, stream, wanted) or uuid4()
        if stream is not None:
            lookups = cursor.execute(_SQL["lookups"], {"stream": stream}).fetchall()
            wanted |= {hashes.listed(bytes(lookup)) for (lookup,) in lookups}
            cursor.execute(_SQL["mark"], {"person": person, "stream": stream})
        return _list(cursor, person, wanted)


def release(
    connection: Connection[Any], stream: UUID | None, listed: bytes | None
) -> tuple[UUID | None, list[UUID]]:
    """Take a person off the list with all their names.

    Answers the number their withheld events stand under (None: not on the list) and the customers
    who are recorded again.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        person = _person_of(cursor, stream, set[bytes]() if listed is None else {listed})
        if person is None:
            return None, []
        cursor.execute(_SQL["unlist"], {"person": person})
        unmarked = cursor.execute(_SQL["unmark"], {"person": person}).fetchall()
    return person, [stream for (stream,) in unmarked]


def listed_person(
    connection: Connection[Any], stream: UUID | None, listed: bytes | None
) -> UUID | None:
    """The number under which a customer or a hashed name is on the list, or None."""
    with _cursor(connection) as cursor:
        return _person_of(cursor, stream, set[bytes]() if listed is None else {listed})


def _take_list(cursor: Cursor[Any]) -> None:
    """Have the vault alone until the end, and make void what any program remembers of it."""
    cursor.execute(_SQL["take_list"])
    cursor.execute(_SQL["count_change"])


def _person_of(cursor: Cursor[Any], stream: UUID | None, wanted: set[bytes]) -> UUID | None:
    rows: list[tuple[Any, ...]] = []
    if stream is not None:
        rows += cursor.execute(_SQL["person_of"], {"stream": stream}).fetchall()
    for hash_ in wanted:
        rows += cursor.execute(_SQL["person"], {"hash": hash_}).fetchall()
    return next((person for (person,) in rows if person is not None), None)


def _list(cursor: Cursor[Any], person: UUID, hashes: Iterable[bytes]) -> int:
    return cursor.execute(_SQL["list"], {"person": person, "hashes": list(hashes)}).rowcount


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    return connection.cursor(row_factory=tuple_row, binary=True)
