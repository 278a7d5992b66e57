"""After a backup was restored: people erased, suppressed or released since are so once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.plumbing.vault import erasure
from services.command.privacy import requests
from services.command.privacy.journal import come_to
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from infra.plumbing.postgres.pool import Pool
    from services.command.privacy.journal import Journal, Wanted

ASKED_BY: Final = "rapport/restored"


def do_again(pool: Pool, journal: Journal, now: datetime, work_off: Callable[[], Any]) -> int:
    """Bring the database to what the journal says; answers how many customers it was done for.

    Customers who are still there are fenced and erased by requests of their own, with certificates
    of their own; `work_off` does them. Nothing changes where the database knows it all.
    """
    lines = journal.lines()
    wanted = come_to(lines)
    with pool.connection() as connection:
        keys = connection.execute(
            requests.SQL["restored"],
            {"streams": [*wanted.erased, *wanted.suppressed, *wanted.freed]},
        ).fetchall()
    back = sorted(_to_do(wanted, dict(keys)), key=lambda each: each[0] is not Kind.ERASE)
    last: UUID | None = None
    with pool.connection() as connection:
        for kind, stream in back:
            if kind is Kind.ERASE:
                erasure.fence(connection, stream)
            last = requests.ask(connection, kind, stream, ASKED_BY)
    work_off()
    with pool.connection() as connection:
        erasure.restore_list(connection, wanted.listed, wanted.released)
        erasure.drop_named(connection, wanted.forgotten)
        known = [line.request for line in lines if line.request is not None]
        connection.execute(requests.SQL["note_done_again"], {"requests": known})
    if back and wanted.released:  # the journal now ends with their being erased again
        journal.note(Kind.RELEASE, last, None, wanted.released, now)
    return len(back)


def _to_do(wanted: Wanted, there: dict[UUID, UUID | None]) -> Iterator[tuple[Kind, UUID]]:
    """What is to be asked for again; `there`: the customers, and the person of the suppressed."""
    for stream, person in there.items():
        if stream in wanted.erased:
            yield Kind.ERASE, stream
        elif person is None and stream in wanted.suppressed:
            yield Kind.SUPPRESS, stream
        elif person is not None and stream in wanted.freed:
            yield Kind.RELEASE, stream
