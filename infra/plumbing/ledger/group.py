"""Group commit: callers that come while an append is under way share the next transaction.

There is no thread of its own. Whoever finds nobody at work takes everything that waits, its own
events included, appends it in one transaction and hands the answers out; then the first who came
meanwhile takes the next turn. The wait is bounded by one transaction, the queue by MAX_WAITING.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING

from infra.plumbing.ledger.errors import LedgerBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.plumbing.ledger.answers import Outcome
    from infra.plumbing.ledger.keyed import Keyed

MAX_TOGETHER = 1_000
"""Events in one shared transaction, at most; a caller's own batch is never split."""
MAX_WAITING = 20_000
"""Events that may wait for their turn; beyond, a caller is told to come back."""


@dataclass(slots=True)
class _Caller:
    events: Sequence[Keyed]
    woken: Event = field(default_factory=Event)
    leads: bool = False
    answers: list[Outcome] | None = None
    failure: BaseException | None = None


class GroupCommit:
    """Lets many threads append through one `work`; safe for all of them."""

    def __init__(self, work: Callable[[Sequence[Keyed]], list[Outcome]]) -> None:
        """`work` appends events in one transaction and answers each, in order."""
        self._work = work
        self._lock = Lock()
        self._queue: deque[_Caller] = deque()
        self._waiting = 0
        self._at_work = False

    @property
    def waiting(self) -> int:
        """How many events wait for a turn just now."""
        return self._waiting

    def append(self, events: Sequence[Keyed]) -> list[Outcome]:
        """Append `events`, together with whatever else waits; one outcome each, in order.

        Raises:
            LedgerBusy: too much is waiting; nothing was taken.
            Exception: what `work` raised for the transaction these events were in.
        """
        caller = _Caller(events)
        with self._lock:
            if self._waiting and self._waiting + len(events) > MAX_WAITING:
                raise LedgerBusy("Too many events wait to be recorded. Try again in a moment.")
            self._waiting += len(events)
            self._queue.append(caller)
            caller.leads = not self._at_work
            self._at_work = True
        if not caller.leads:
            caller.woken.wait()
        if caller.leads:
            self._lead()
        if caller.failure is not None:
            raise caller.failure
        return caller.answers or []

    def _lead(self) -> None:
        """Work on what waits, our own first of all, then pass the turn on."""
        callers = self._take()
        try:
            self._share(callers)
        except BaseException as failure:  # noqa: BLE001 - handed to every caller it concerns
            for caller in callers:
                caller.failure = failure
        finally:
            with self._lock:
                heir = self._queue[0] if self._queue else None
                self._at_work = heir is not None
                if heir is not None:
                    heir.leads = True
        for caller in callers:
            caller.woken.set()
        if heir is not None:
            heir.woken.set()

    def _take(self) -> list[_Caller]:
        with self._lock:
            callers = [self._queue.popleft()]
            size = len(callers[0].events)
            while self._queue and size + len(self._queue[0].events) <= MAX_TOGETHER:
                callers.append(self._queue.popleft())
                size += len(callers[-1].events)
            self._waiting -= size
            return callers

    def _share(self, callers: Sequence[_Caller]) -> None:
        outcomes = self._work([keyed for caller in callers for keyed in caller.events])
        at = 0
        for caller in callers:
            caller.answers = outcomes[at : at + len(caller.events)]
            at += len(caller.events)
