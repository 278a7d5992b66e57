"""Many small requests, one transaction: whatever waits is worked on together.

Each caller waits for its own answers. One thread does the work, so what one caller sends keeps its
order. While one round is under way the next requests gather behind it.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MAX_TOGETHER: Final = 1_000
"""A round takes no more items, unless one caller alone sends more."""
MAX_WAITING: Final = 20_000
"""Items that may wait; beyond, a caller is told to come back."""


class Overloaded(Exception):
    """Too much is waiting already: come back later. Nothing was taken."""


class Closed(Exception):
    """The program is stopping. Nothing was taken."""


@dataclass(frozen=True, slots=True)
class _Wait(Generic[Question, Answer]):
    items: Sequence[Question]
    future: Future[list[Answer]]


class Gatherer(Generic[Question, Answer]):
    """Does `work` for many callers at once.

    `work` answers its items in order. If it raises, doing it again must be safe. An exception in
    `shared` is everybody's and is handed to every caller of the round; any other is some caller's
    own fault, so the round is done again caller by caller and hurts that one alone.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Question]], list[Answer]],
        *,
        shared: tuple[type[Exception], ...] = (),
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._work = work
        self._shared = shared
        self._max_waiting = max_waiting
        self._queue: deque[_Wait[Question, Answer]] = deque()
        self._changed = Condition()
        self._waiting = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def submit(self, items: Sequence[Question]) -> Future[list[Answer]]:
        """Ask for `items` to be worked on; never blocks. A cancelled future is not begun.

        Raises:
            Overloaded: too much is waiting.
            Closed: `close` was called.
        """
        wait = _Wait(items, Future[list[Answer]]())
        with self._changed:
            if self._closed:
                raise Closed
            if self._waiting and self._waiting + len(items) > self._max_waiting:
                raise Overloaded
            self._waiting += len(items)
            self._queue.append(wait)
            self._changed.notify()
        return wait.future

    def close(self) -> None:
        """Take nothing more, finish what waits, and return when it is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while taken := self._next_round():
            begun = [wait for wait in taken if wait.future.set_running_or_notify_cancel()]
            if begun:
                self._do(begun)

    def _next_round(self) -> list[_Wait[Question, Answer]]:
        """Wait for work and take what fits in one round; nothing if closed and all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            taken: list[_Wait[Question, Answer]] = []
            size = 0
            while self._queue and (not taken or size + len(self._queue[0].items) <= MAX_TOGETHER):
                taken.append(self._queue.popleft())
                size += len(taken[-1].items)
            self._waiting -= size
            return taken

    def _do(self, begun: list[_Wait[Question, Answer]]) -> None:
        try:
            answers = self._work([item for wait in begun for item in wait.items])
        except self._shared as error:
            for wait in begun:
                wait.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - handed to the caller, who alone can judge it
            if len(begun) == 1:
                begun[0].future.set_exception(error)
                return
            for wait in begun:
                self._do([wait])
        else:
            at = 0
            for wait in begun:
                wait.future.set_result(answers[at : at + len(wait.items)])
                at += len(wait.items)
