"""What the projections propose (a churn signal raised or cleared) becomes an event like any other.

The event's id is the proposal's, so proposing twice and recording twice are once. No transaction
is open while the ledger is waited for. A proposal that breaks its schema is put aside with its
reason, one about a customer erased meanwhile is withdrawn; any other that cannot be recorded yet
stays and is tried again. None stops another.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog
from psycopg.rows import tuple_row

from events.times import format_time
from infra.plumbing.ledger.answers import Conflict, Duplicate, Stored
from infra.plumbing.queries import Queries
from services.command.gather import Closed, Overloaded
from services.command.intake import Accepted, Rejected, ahead, judge
from services.command.record import Quarantined
from services.command.strict_json import BrokenJson, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from threading import Event
    from uuid import UUID

    from events.catalog import Catalog
    from infra.plumbing.clock import Clock
    from infra.plumbing.postgres.pool import Pool
    from services.command.record import Answer

SOURCE: Final = "rapport/signals"
TOGETHER: Final = 200
POLL_SECONDS: Final = 0.25
MAX_POLL_SECONDS: Final = 15.0
LATER_SECONDS: Final = 20.0
"""A proposal that cannot be recorded yet is looked at again after this time."""
ANSWER_SECONDS: Final = 60.0
"""How long the recording of what was submitted is waited for."""
_SQL: Final = Queries.beside("services.command", "proposals.sql")
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Refused:
    """The proposal can never be recorded."""

    reason: str


@dataclass(frozen=True, slots=True)
class _NotYet:
    """The proposal cannot be recorded now. `busy`: nor can any other."""

    why: str
    busy: Exception | None = None


_Begun = Future["list[Answer]"] | _Refused | _NotYet
_End = _Refused | _NotYet | None
"""What became of a proposal; None: it is in the ledger."""


class Proposals:
    """Records proposals through `submit`. Several programs may do so side by side."""

    def __init__(  # noqa: PLR0913 - the parts it is made of
        self,
        pool: Pool,
        submit: Callable[[Sequence[Accepted]], Future[list[Answer]]],
        catalog: Catalog,
        not_now: tuple[type[Exception], ...],
        clock: Clock,
        *,
        later_seconds: float = LATER_SECONDS,
    ) -> None:
        """`not_now`: what `submit`'s future raises when the same is to be tried again later."""
        self._pool = pool
        self._submit = submit
        self._catalog = catalog
        self._not_now = (*not_now, Overloaded, TimeoutError)
        self._clock = clock
        self._later_seconds = later_seconds
        self._later: dict[str, float] = {}

    def run(self, stop: Event) -> None:
        """Record proposals as they come, until `stop` is set, whatever the database does."""
        pause = POLL_SECONDS
        while not stop.is_set():
            try:
                settled = self.once()
            except Closed:
                return
            except (*self._not_now, psycopg.Error) as error:
                _LOG.warning("proposals_wait", error=type(error).__name__, seconds=pause)
                stop.wait(pause)
                pause = min(2 * pause, MAX_POLL_SECONDS)
                continue
            pause = POLL_SECONDS
            if not settled:
                stop.wait(pause)

    def once(self) -> int:
        """Take the next proposals and settle each that can be: recorded, withdrawn or refused.

        Returns how many were settled. If it raises, what was settled so far is, and the rest stay.

        Raises:
            Closed: the program is stopping.
            Overloaded, TimeoutError, psycopg.Error or one of `not_now`: try again later.
        """
        rows = self._take()
        begun = [self._begin(*row) for row in rows]
        until = monotonic() + ANSWER_SECONDS
        ends = {row[0]: self._end(each, until) for row, each in zip(rows, begun, strict=True)}
        recorded = [event_id for event_id, end in ends.items() if end is None]
        refused = {key: end.reason for key, end in ends.items() if isinstance(end, _Refused)}
        waiting = {key: end for key, end in ends.items() if isinstance(end, _NotYet)}
        if recorded or refused:
            self._settle(recorded, refused)
        for event_id, end in waiting.items():
            if end.busy is None:
                _LOG.warning("proposal_waits", proposal=event_id, reason=end.why)
                self._later[event_id] = monotonic() + self._later_seconds
        for end in waiting.values():
            if end.busy is not None:
                raise end.busy
        return len(recorded) + len(refused)

    def _take(self) -> list[tuple[Any, ...]]:
        now = monotonic()
        self._later = {key: due for key, due in self._later.items() if due > now}
        asked = {"limit": TOGETHER, "later": list(self._later)}
        with self._pool.connection() as connection:
            return connection.cursor(row_factory=tuple_row).execute(_SQL["take"], asked).fetchall()

    def _begin(
        self, event_id: str, stream: UUID, kind: str, occurred_at: datetime, data: bytes
    ) -> _Begun:
        item = self._judged(event_id, stream, kind, occurred_at, data)
        if isinstance(item, Rejected):
            return _Refused(_words(item))
        if ahead(occurred_at, self._clock()):  # the recorder would put it into quarantine
            return _NotYet("/time lies ahead of our clock")
        try:
            return self._submit([item])
        except Overloaded as full:
            return _NotYet("overloaded", full)

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

    def _end(self, begun: _Begun, until: float) -> _End:
        if not isinstance(begun, Future):
            return begun
        try:
            [answer] = begun.result(max(0.0, until - monotonic()))
        except self._not_now as busy:
            return _NotYet(type(busy).__name__, busy)
        except Exception as error:  # noqa: BLE001 - one poisoned proposal must not stop the others
            return _NotYet(type(error).__name__)
        return _end_of(answer)

    def _settle(self, recorded: Sequence[str], refused: dict[str, str]) -> None:
        with self._pool.connection() as connection:
            for event_id, reason in refused.items():
                if connection.execute(_SQL["withdraw"], {"id": event_id}).rowcount:
                    _LOG.info("proposal_withdrawn", proposal=event_id)
                    continue
                _LOG.error("proposal_refused", proposal=event_id, reason=reason)
                connection.execute(_SQL["refuse"], {"id": event_id, "reason": reason})
            if recorded:
                connection.execute(_SQL["settle"], {"ids": list(recorded)})


def _end_of(answer: Answer) -> _End:
    match answer:
        case Stored() | Duplicate() | Conflict():
            return None  # a conflict: the same signal was recorded, said in other words
        case Quarantined(errors=errors):
            return _NotYet(_words(Rejected(errors)))
        case Rejected(problem="unavailable"):
            return _NotYet(_words(answer))  # fenced: the customer is being erased
        case Rejected():
            return _Refused(_words(answer))


def _words(rejected: Rejected) -> str:
    return " ".join(f"{error.pointer} {error.message}" for error in rejected.errors)
