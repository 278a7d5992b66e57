"""What the projections propose (a churn signal raised or cleared) becomes an event like any other.

The event's id is the proposal's, so proposing twice and recording twice are once. A proposal that
can never be recorded is put aside with its reason and stops no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg.rows import tuple_row

from events.times import format_time
from infra.plumbing.ledger.answers import Conflict, Duplicate, Stored
from infra.plumbing.queries import Queries
from services.command.gather import Closed, Overloaded
from services.command.intake import Accepted, Rejected, judge
from services.command.record import Quarantined
from services.command.strict_json import BrokenJson, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from threading import Event
    from uuid import UUID

    from psycopg import Connection

    from events.catalog import Catalog
    from infra.plumbing.postgres.pool import Pool
    from services.command.record import Answer

SOURCE: Final = "rapport/signals"
TOGETHER: Final = 200
POLL_SECONDS: Final = 0.25
_SQL: Final = Queries.beside("services.command", "proposals.sql")
_LOG = structlog.get_logger(__name__)


class Proposals:
    """Records proposals through `submit`. Several programs may do so side by side."""

    def __init__(
        self,
        pool: Pool,
        submit: Callable[[Sequence[Accepted]], Future[list[Answer]]],
        catalog: Catalog,
        not_now: tuple[type[Exception], ...],
    ) -> None:
        """`not_now`: what `submit`'s future raises when the same is to be tried again later."""
        self._pool = pool
        self._submit = submit
        self._catalog = catalog
        self._not_now = (*not_now, Overloaded)

    def run(self, stop: Event) -> None:
        """Record proposals as they come, until `stop` is set."""
        while not stop.is_set():
            try:
                settled = self.once()
            except Closed:
                return
            except self._not_now as error:
                _LOG.warning("proposals_wait", error=type(error).__name__)
                settled = 0
            if not settled:
                stop.wait(POLL_SECONDS)

    def once(self) -> int:
        """Take the next proposals and settle each: recorded, or refused with its reason.

        Returns how many there were. If it raises, none of them is settled and all stay.

        Raises:
            Closed: the program is stopping.
            Overloaded, or one of `not_now`: try again later.
        """
        with self._pool.connection() as connection:
            with connection.cursor(row_factory=tuple_row) as cursor:
                rows = cursor.execute(_SQL["take"], {"limit": TOGETHER}).fetchall()
            items = [self._judged(*row) for row in rows]
            futures = [
                self._submit([item]) if isinstance(item, Accepted) else item for item in items
            ]
            reasons = [self._reason(future) for future in futures]
            self._settle(connection, [row[0] for row in rows], reasons)
        return len(rows)

    def _judged(
        self, event_id: str, stream: UUID, kind: str, occurred_at: datetime, data: bytes
    ) -> Accepted | Rejected:
        try:
            content = read_json(data)
        except BrokenJson as broken:
            return Rejected((broken.at("/data"),), event_id)
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": kind,
            "time": format_time(occurred_at),
            "subject": f"customer:{stream}",
            "data": content,
        }
        return judge(event, write_json(event), self._catalog)

    def _reason(self, result: Future[list[Answer]] | Rejected) -> str | None:
        """Why a proposal is not in the ledger; None if it is."""
        if isinstance(result, Rejected):
            return _words(result)
        try:
            [answer] = result.result()
        except self._not_now:
            raise
        except Exception as error:  # noqa: BLE001 - one poisoned proposal must not stop the others
            return type(error).__name__
        match answer:
            case Stored() | Duplicate() | Conflict():
                return None  # a conflict: the same signal was recorded, said in other words
            case Quarantined(errors=errors) | Rejected(errors=errors):
                return _words(Rejected(errors))

    def _settle(
        self, connection: Connection[Any], ids: Sequence[str], reasons: Sequence[str | None]
    ) -> None:
        recorded: list[str] = []
        for event_id, reason in zip(ids, reasons, strict=True):
            if reason is None:
                recorded.append(event_id)
            else:
                _LOG.error("proposal_refused", proposal=event_id, reason=reason)
                connection.execute(_SQL["refuse"], {"id": event_id, "reason": reason})
        if recorded:
            connection.execute(_SQL["settle"], {"ids": recorded})


def _words(rejected: Rejected) -> str:
    return " ".join(f"{error.pointer} {error.message}" for error in rejected.errors)
