"""The file of erasures, made whole again from the database: lost, cut short, or another program's.

The file must name each request that changed whom not to record; the database has a row of the step
that did. Where one is missing, the database says how things stand, and lines are added that come to
that. Lines of requests that it does not know are younger than all it says (it was restored from
before them), so they are added once more behind. What names the missing requests comes last: were
the adding cut short, the next start does it all again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg.rows import tuple_row

from events.times import format_time
from services.command.privacy.journal import Line, come_to
from services.command.privacy.requests import SQL
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.postgres.pool import Pool
    from services.command.privacy.journal import Journal, Wanted

NOTHING: Final = frozenset[bytes]()
_AT_ONE_INSTANT: Final = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database says.

    `requests`: lines that name each one that changed whom not to record, oldest first; those of
    erasures say whose, and nothing else is in them. `listed`: the hashes on the list by person.
    `suppressed`: the customers who are suppressed, and their persons.
    """

    requests: Sequence[Line]
    listed: dict[UUID, set[bytes]] = field(default_factory=dict["UUID", set[bytes]])
    suppressed: dict[UUID, UUID] = field(default_factory=dict["UUID", "UUID"])


def mend(pool: Pool, journal: Journal) -> int:
    """Add to the journal what the database knows and the journal does not.

    Answers how many requests were missing.

    Raises:
        JournalDamaged, LinesUnusable: it cannot be read, or not be written.
    """
    with pool.connection() as connection:
        kept = _read(connection)
    lines = journal.lines()  # after the database: a line is written before its row
    there = {line.request for line in lines if not line.mended}
    missing = [line for line in kept.requests if line.request not in there]
    if missing:
        journal.add(mended(kept, lines, missing))
        _LOG.warning("erasures_file_was_short", count=len(missing))
    return len(missing)


def mended(kept: Kept, lines: Sequence[Line], missing: Sequence[Line]) -> list[Line]:
    """The lines to add to `lines`, so that all together come to what `kept` says; pure."""
    known = {line.request for line in kept.requests} | {None}  # None: of an older release
    past = [line for line in lines if line.request in known]
    since = [line for line in lines if line.request not in known]
    corrections = _corrections(come_to([*past, *missing]), kept, missing[-1])
    return [*corrections, *since, *missing]


def _corrections(wanted: Wanted, kept: Kept, last: Line) -> list[Line]:
    """The lines that lead from `wanted` to `kept`, known by the request of `last`."""

    def line(kind: Kind, customer: UUID | None, hashes: frozenset[bytes]) -> Line:
        return Line(kind, last.request, customer, hashes, last.at, mended=True)

    groups = defaultdict[bytes, list[frozenset[bytes]]](list)
    for group in wanted.listed:
        for each in group:
            groups[each].append(group)
    released = groups.keys() - set[bytes]().union(*kept.listed.values())
    lines = [line(Kind.RELEASE, None, frozenset(released))] if released else []
    lines += [
        line(Kind.RELEASE, stream, NOTHING) for stream in wanted.suppressed - kept.suppressed.keys()
    ]
    unmarked = {
        stream: person
        for stream, person in kept.suppressed.items()
        if stream not in wanted.suppressed
    }
    lines += [
        line(Kind.SUPPRESS, stream, frozenset(kept.listed.get(person, ())))
        for stream, person in unmarked.items()
    ]
    return lines + [
        line(Kind.SUPPRESS, None, frozenset(names))
        for person, names in kept.listed.items()
        if person not in unmarked.values()
        and not any(names <= group for group in groups[next(iter(names))])
    ]


def _read(connection: Connection[Any]) -> Kept:
    """What the database says, all at one instant."""
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(_AT_ONE_INSTANT)
        kept = Kept(
            [
                Line(Kind(kind), request, stream, NOTHING, format_time(at))
                for request, kind, stream, at in cursor.execute(SQL["journaled"])
            ]
        )
        for hash_, person in cursor.execute(SQL["on_the_list"]):
            kept.listed.setdefault(person, set()).add(bytes(hash_))
        kept.suppressed.update(cursor.execute(SQL["suppressed"]).fetchall())
    return kept
