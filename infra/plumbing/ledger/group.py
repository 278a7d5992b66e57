"""Group commit: callers that come while an append is under way share the next transaction.

There is no thread of its own. Whoever finds nobody at work takes everything that waits, its own
events included, appends it in one transaction and hands the answers out; then the first who came
meanwhile takes the next turn. Before it begins it waits a moment for as many callers as shared the
last turn: those who were just answered are likely to come again. The queue is bounded in events
and bytes, and so is the time that a caller waits for a turn.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from infra.plumbing.ledger.errors import LedgerBusy, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.plumbing.ledger.answers import NewEvent, Outcome

MAX_TOGETHER = 1_000
"""Events in one shared transaction, at most; a caller's own batch is never split."""
MAX_WAITING = 20_000
"""Events that may wait for their turn; beyond, a caller is told to come back."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Bytes of bodies that may wait, as long as more than one caller waits."""
PATIENCE_SECONDS = 20.0
"""How long a caller waits for its turn before it is told to come back."""
MOMENT_SECONDS = 0.000_5
"""How long a turn waits for others at most; less than the flush that they then share."""


@dataclass(slots=True, eq=False)
class _Caller:
    events: Sequence[NewEvent]
    size: int
    """Bytes of the bodies."""
    turn: Lock
    """Held until the caller's answers are there, or it is to lead."""
    leads: bool = False
    answers: list[Outcome] | None = None
    failure: Exception | None = None


class GroupCommit:
    """Lets many threads append through one `work`; safe for all of them."""

    def __init__(self, work: Callable[[Sequence[NewEvent]], list[Outcome]]) -> None:
        """`work` appends events in one transaction and answers each, in order.

        LedgerBusy from it is everybody's. After anything else that it raises nothing was written;
        each caller's events are then appended alone, since the failure is only one caller's own.
        """
        self._work = work
        self._lock = Lock()
        self._queue: deque[_Caller] = deque()
        self._waiting = 0
        self._waiting_bytes = 0
        self._at_work = False
        self._shared_last = 1
        self._all_here: Lock | None = None

    @property
    def waiting(self) -> int:
        """How many events wait for a turn just now."""
        return self._waiting

    def append(self, events: Sequence[NewEvent]) -> list[Outcome]:
        """Append `events`, together with whatever else waits; one outcome each, in order.

        Raises:
            LedgerBusy: too much is waiting, and nothing was taken; or `work` says so.
            Exception: what `work` raised for these events.
        """
        turn = Lock()
        turn.acquire()
        caller = _Caller(events, sum([len(event.body) for event in events]), turn)
        self._queue_up(caller)
        if not caller.leads and not turn.acquire(timeout=PATIENCE_SECONDS):
            self._leave(caller)
        if caller.leads:
            self._lead(caller)
        if caller.failure is not None:
            raise caller.failure
        return caller.answers or []

    def _queue_up(self, caller: _Caller) -> None:
        with self._lock:
            events, size = self._waiting + len(caller.events), self._waiting_bytes + caller.size
            if self._queue and (events > MAX_WAITING or size > MAX_WAITING_BYTES):
                raise LedgerBusy("Too many events wait to be recorded. Try again in a moment.")
            self._waiting, self._waiting_bytes = events, size
            self._queue.append(caller)
            caller.leads = not self._at_work
            self._at_work = True
            if self._all_here is not None and len(self._queue) >= self._shared_last:
                self._all_here.release()
                self._all_here = None

    def _leave(self, caller: _Caller) -> None:
        """Give up a place in the queue; whoever was taken or is to lead just then goes on."""
        with self._lock:
            gives_up = caller in self._queue and not caller.leads
            if gives_up:
                self._queue.remove(caller)
                self._count_out(caller)
        if gives_up:
            raise LedgerBusy("The events waited too long for their turn. Try again in a moment.")
        caller.turn.acquire()

    def _count_out(self, caller: _Caller) -> None:
        self._waiting -= len(caller.events)
        self._waiting_bytes -= caller.size

    def _lead(self, leader: _Caller) -> None:
        """Work on what waits, our own first of all, then pass the turn on, whatever happens."""
        callers: list[_Caller] = []
        try:
            self._wait_a_moment()
            callers = self._take()
            self._work_for(callers)
        finally:
            self._pass_on(leader, callers)

    def _work_for(self, callers: Sequence[_Caller]) -> None:
        """Append for `callers` together; for each alone, if one's own fault stopped them all."""
        try:
            self._share(callers)
        except LedgerBusy as busy:
            for caller in callers:
                caller.failure = busy
        except Exception as failure:  # noqa: BLE001 - raised again in the thread whose fault it is
            if len(callers) == 1:
                callers[0].failure = failure
                return
            for caller in callers:
                self._work_for([caller])

    def _pass_on(self, leader: _Caller, callers: Sequence[_Caller]) -> None:
        with self._lock:
            if leader in self._queue:  # interrupted before the turn began
                self._queue.remove(leader)
                self._count_out(leader)
            heir = self._queue[0] if self._queue else None
            self._at_work = heir is not None
            if heir is not None:
                heir.leads = True
        for caller in callers:
            if caller.answers is None and caller.failure is None:
                caller.failure = OutcomeUnknown("The turn was interrupted. Send the same again.")
            caller.turn.release()
        if heir is not None:
            heir.turn.release()

    def _wait_a_moment(self) -> None:
        with self._lock:
            if len(self._queue) >= self._shared_last:
                return
            all_here = self._all_here = Lock()
            all_here.acquire()
        all_here.acquire(timeout=MOMENT_SECONDS)
        with self._lock:
            self._all_here = None

    def _take(self) -> list[_Caller]:
        with self._lock:
            callers = [self._queue.popleft()]
            size = len(callers[0].events)
            while self._queue and size + len(self._queue[0].events) <= MAX_TOGETHER:
                callers.append(self._queue.popleft())
                size += len(callers[-1].events)
            for caller in callers:
                self._count_out(caller)
            self._shared_last = len(callers)
            return callers

    def _share(self, callers: Sequence[_Caller]) -> None:
        outcomes = self._work([event for caller in callers for event in caller.events])
        at = 0
        for caller in callers:
            caller.answers = outcomes[at : at + len(caller.events)]
            at += len(caller.events)
