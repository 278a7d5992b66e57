"""Forgetting a customer, and keeping their names from coming back.

Everything here works in the transaction of the connection it is given and commits nothing. The
fence and the list are locks' work: a fence is put up under the ledger's head lock, so every append
is before it or sees it; the list changes alone, so no writer remembers a name while it is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from psycopg.rows import tuple_row

from infra.plumbing.ledger.append import Writer
from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from psycopg import Connection, Cursor

    from infra.plumbing.ledger.answers import NewEvent, Outcome
    from infra.plumbing.vault.hashes import Hashes

_SQL = Queries.beside("infra.plumbing.vault", "erasure.sql")


class Forgotten(NamedTuple):
    """What an erasure took out of the vault, and how many names it put on the list.

    `withheld`: events that were set aside under keys of their own. `names`:
    the hashes that are on the list because of it.
    """

    keys: int
    identifiers: int
    listed: int
    withheld: int
    names: frozenset[bytes]


def fence(connection: Connection[Any], stream: UUID) -> bool:
    """Let `stream` take no more events; False if it took none already.

    Under the head lock: what is appended after this transaction's end sees the fence.
    """
    connection.execute(_SQL["lock_head"])
    return connection.execute(_SQL["fence"], {"stream": stream}).rowcount == 1


def is_fenced(connection: Connection[Any], stream: UUID) -> bool:
    """Whether `stream` takes no more events; a fence is never taken down for good."""
    return connection.execute(_SQL["fenced"], {"stream": stream}).rowcount == 1


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

    What was set aside about the customer goes too, with its keys. All at once, so that no writer
    finds a name without its key, or a name gone and not listed.
    """
    new = uuid4()
    with _cursor(connection) as cursor:
        _take_list(cursor)
        names, persons = _known(cursor, hashes, stream, None)
        destroyed = cursor.execute(_SQL["destroy_key"], {"stream": stream}).rowcount
        removed = cursor.execute(_SQL["remove_identifiers"], {"stream": stream}).rowcount
        withheld = _drop(cursor, persons) + drop_named(connection, names)
        listed = _list(cursor, new, names)
        cursor.execute(_SQL["unlist"], {"persons": persons})
        listed += cursor.execute(_SQL["rename"], {"person": new, "before": persons}).rowcount
        rows = cursor.execute(_SQL["names"], {"persons": [new]}).fetchall()
    return Forgotten(
        destroyed, removed, listed, withheld, frozenset(bytes(name) for (name,) in rows)
    )


def suppress(
    connection: Connection[Any], hashes: Hashes, stream: UUID | None, listed: bytes | None
) -> int:
    """Put all names of the customer `stream`, or the one name hashed as `listed`, on the list.

    Answers how many names this call put there or found there.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        names, persons = _known(cursor, hashes, stream, listed)
        person = _joined(cursor, persons) or uuid4()
        if stream is not None:
            cursor.execute(_SQL["mark"], {"person": person, "stream": stream})
        return _list(cursor, person, names)


def release(
    connection: Connection[Any], hashes: Hashes, stream: UUID | None, listed: bytes | None
) -> tuple[UUID | None, list[UUID]]:
    """Let a person be recorded again under all their names.

    Answers the number their withheld events stand under (None: not on the list) and the customers
    who are recorded again. The names are forgotten by `settle`, when nothing withheld is left.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        person = _joined(cursor, _known(cursor, hashes, stream, listed)[1])
        if person is None:
            return None, []
        cursor.execute(_SQL["release"], {"person": person})
        unmarked = cursor.execute(_SQL["unmark"], {"person": person}).fetchall()
    return person, [stream for (stream,) in unmarked]


def settle(connection: Connection[Any], person: UUID, recorded: Sequence[int]) -> int:
    """Remove the withheld events with the ids `recorded`; answers how many of `person` are left.

    Only when none is left are the names of the released forgotten: the next release or erasure
    finds by them what could not be recorded.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        cursor.execute(_SQL["drop_recorded"], {"ids": list(recorded)})
        left = _count(cursor.execute(_SQL["left_over"], {"person": person}))
        if not left:
            cursor.execute(_SQL["unlist"], {"persons": [person]})
    return left


def drop_withheld(connection: Connection[Any], hashes: Hashes, listed: bytes | None) -> int:
    """Remove what was set aside about a name that nobody has; the name stays on the list."""
    with _cursor(connection) as cursor:
        _take_list(cursor)
        names, persons = _known(cursor, hashes, None, listed)
        cursor.execute(_SQL["list_again"], {"persons": persons})
        dropped = _drop(cursor, persons) + drop_named(connection, names)
        if listed is not None:  # a release may have taken it off since it was asked about
            _list(cursor, next(iter(persons), None) or uuid4(), [listed])
        return dropped


def holder_of(connection: Connection[Any], lookup: bytes) -> UUID | None:
    """Whose name it is that is hashed as `lookup`; nobody takes it until the transaction ends."""
    with _cursor(connection) as cursor:
        _take_list(cursor)
        row = cursor.execute(_SQL["holder"], {"lookup": lookup}).fetchone()
    return None if row is None else row[0]


def hold_listed(connection: Connection[Any], persons: Collection[UUID]) -> set[UUID]:
    """Those of `persons` who are still to be withheld; none changes until the transaction ends."""
    with _cursor(connection) as cursor:
        cursor.execute(_SQL["hold_list"])
        found = cursor.execute(_SQL["still_listed"], {"persons": list(persons)}).fetchall()
    return {person for (person,) in found}


def listed_among(connection: Connection[Any], names: Collection[bytes]) -> set[bytes]:
    """Those of the hashed `names` that are not to be recorded."""
    with _cursor(connection) as cursor:
        found = cursor.execute(_SQL["listed_among"], {"hashes": list(names)}).fetchall()
    return {bytes(name) for (name,) in found}


def waits(connection: Connection[Any], listed: bytes) -> bool:
    """Whether an event that was set aside names somebody nobody knows by the hash `listed`."""
    with _cursor(connection) as cursor:
        return cursor.execute(_SQL["waits"], {"hashes": [listed]}).fetchone() is not None


def drop_named(connection: Connection[Any], names: Collection[bytes]) -> int:
    """Remove what was set aside naming somebody nobody knew, by one of `names`; with its keys."""
    with _cursor(connection) as cursor:
        return _count(cursor.execute(_SQL["drop_named"], {"hashes": list(names)}))


def is_listed(
    connection: Connection[Any], hashes: Hashes, stream: UUID | None, listed: bytes | None
) -> bool:
    """Whether a customer or a hashed name is on the list, or something withheld is left."""
    with _cursor(connection) as cursor:
        return bool(_known(cursor, hashes, stream, listed)[1])


def names_of(
    connection: Connection[Any],
    hashes: Hashes,
    stream: UUID | None,
    listed: bytes | None,
    *,
    withheld: bool = False,
) -> frozenset[bytes]:
    """All hashes kept for the person of a customer, or of one hashed name.

    `withheld`: only those of which events are set aside, without what was released.
    """
    query = "listed_names" if withheld else "names"
    with _cursor(connection) as cursor:
        _, persons = _known(cursor, hashes, stream, listed)
        rows = cursor.execute(_SQL[query], {"persons": persons}).fetchall()
    return frozenset(bytes(name) for (name,) in rows)


def restore_list(
    connection: Connection[Any], listed: Iterable[Collection[bytes]], released: Collection[bytes]
) -> None:
    """Put hashes on the list that are missing there, those of one person together.

    And let those be recorded who had been released.
    """
    with _cursor(connection) as cursor:
        _take_list(cursor)
        for names in listed:
            found = cursor.execute(_SQL["persons"], {"hashes": list(names)}).fetchall()
            person = _joined(cursor, [each for (each,) in found]) or uuid4()
            _list(cursor, person, names)
        cursor.execute(_SQL["release_names"], {"hashes": list(released)})


def traces_of(
    connection: Connection[Any], hashes: Hashes, stream: UUID
) -> tuple[set[bytes], list[UUID]]:
    """By what events about a customer are found that were set aside: hashed names, and numbers."""
    with _cursor(connection) as cursor:
        return _known(cursor, hashes, stream, None)


def _take_list(cursor: Cursor[Any]) -> None:
    """Have the vault alone until the end, and make void what any program remembers of it."""
    cursor.execute(_SQL["take_list"])
    cursor.execute(_SQL["count_change"])


def _known(
    cursor: Cursor[Any], hashes: Hashes, stream: UUID | None, listed: bytes | None
) -> tuple[set[bytes], list[UUID]]:
    """The hashes of a customer's names or the one given, and the numbers they stand under."""
    names = set[bytes]() if listed is None else {listed}
    rows: list[tuple[Any, ...]] = []
    if stream is not None:
        lookups = cursor.execute(_SQL["lookups"], {"stream": stream}).fetchall()
        names |= {hashes.listed(bytes(lookup)) for (lookup,) in lookups}
        rows += cursor.execute(_SQL["person_of"], {"stream": stream}).fetchall()
    rows += cursor.execute(_SQL["persons"], {"hashes": list(names)}).fetchall()
    return names, list(dict.fromkeys(person for (person,) in rows))


def _joined(cursor: Cursor[Any], persons: Sequence[UUID]) -> UUID | None:
    """One number for all `persons`, who turned out to be one."""
    if not persons:
        return None
    both = {"person": persons[0], "before": list(persons)}
    for query in ("rename", "rename_withheld"):
        cursor.execute(_SQL[query], both)
    return persons[0]


def _drop(cursor: Cursor[Any], persons: Sequence[UUID]) -> int:
    return _count(cursor.execute(_SQL["drop_withheld"], {"persons": list(persons)}))


def _list(cursor: Cursor[Any], person: UUID, hashes: Iterable[bytes]) -> int:
    return cursor.execute(_SQL["list"], {"person": person, "hashes": list(hashes)}).rowcount


def _count(cursor: Cursor[Any]) -> int:
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    return connection.cursor(row_factory=tuple_row, binary=True)
