"""Many small requests, one transaction: whatever waits is worked on together.

Each caller waits for its own answers. One thread does the work, so what one caller sends keeps its
order. While one round is under way the next requests gather behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from time import sleep
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MAX_TOGETHER: Final = 1_000
"""A round takes no more items, unless one caller alone sends more."""
MAX_WAITING: Final = 20_000
"""Items that may wait; beyond, a caller is told to come back."""

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Bytes of items that may wait, as the caller counts them, as long as more than one caller waits.

Read, an event takes a multiple of what it has in bytes, and its request still holds the body.
"""
MOMENT_SECONDS: Final = 0.002
"""How long a round waits for company where the last one had some."""


class Overloaded(Exception):
    """Too many items are waiting already: come back later. Nothing was taken."""


class NoRoom(Overloaded):
    """Few enough, but too large: too many bytes are waiting already."""


class Closed(Exception):
    """The program is stopping. Nothing was taken."""


class Unfinished(Exception):
    """The work was begun and took too long: nobody knows yet what came of it."""


@dataclass(slots=True)
class _Wait(Generic[Question, Answer]):
    """A caller. With a `loop` it is a coroutine there, whose future only that loop may touch."""

    items: Sequence[Question]
    size: int
    """Bytes of the items."""
    future: Future[list[Answer]] | asyncio.Future[list[Answer]]
    loop: asyncio.AbstractEventLoop | None = None
    begun: bool = False

    def begin(self) -> bool:
        """Whether anybody still waits for the answers. Under the lock, like giving up."""
        if isinstance(self.future, Future):
            return self.future.set_running_or_notify_cancel()
        self.begun = not self.future.done()
        return self.begun

    def finish(self, result: list[Answer] | Exception) -> None:
        """Hand the answers out, or what went wrong; in a coroutine's case, on its loop."""
        if self.loop is not None and self.future.done():
            return  # it gave up meanwhile
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


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
        size_of: Callable[[Question], int] = lambda _: 0,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        """`size_of`: the bytes of an item, by which what waits is bounded too."""
        self._work = work
        self._shared = shared
        self._size_of = size_of
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._queue: deque[_Wait[Question, Answer]] = deque()
        self._changed = Condition()
        self._waiting = 0
        self._waiting_bytes = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def submit(self, items: Sequence[Question]) -> Future[list[Answer]]:
        """Ask for `items` to be worked on; never blocks. A cancelled future is not begun.

        Raises:
            Overloaded: too much is waiting; NoRoom: too many bytes are.
            Closed: `close` was called.
        """
        future = Future[list[Answer]]()
        self._enter(_Wait(items, self._size(items), future))
        return future

    async def join(self, items: Sequence[Question], seconds: float) -> list[Answer]:
        """The same for a coroutine, within `seconds`. A round wakes a loop once for all in it.

        Raises:
            Overloaded, Closed: as `submit`.
            TimeoutError: the items were not begun, and now never will be.
            Unfinished: they were.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Answer]] = loop.create_future()
        wait = _Wait(items, self._size(items), future, loop)
        self._enter(wait)
        # By hand: `asyncio.wait_for` costs a multiple of it.
        limit = loop.call_later(seconds, self._give_up, wait)
        try:
            return await future
        finally:
            limit.cancel()

    def _size(self, items: Sequence[Question]) -> int:
        return sum([self._size_of(item) for item in items])

    def _give_up(self, wait: _Wait[Question, Answer]) -> None:
        with self._changed:
            if not wait.future.done():
                wait.future.set_exception(Unfinished() if wait.begun else TimeoutError())

    def _enter(self, wait: _Wait[Question, Answer]) -> None:
        with self._changed:
            if self._closed:
                raise Closed
            items, size = self._waiting + len(wait.items), self._waiting_bytes + wait.size
            if self._waiting and items > self._max_waiting:
                raise Overloaded
            if self._waiting and size > self._max_waiting_bytes:
                raise NoRoom
            self._waiting, self._waiting_bytes = items, size
            self._queue.append(wait)
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more, finish what waits, and return when it is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        callers = 0
        while taken := self._next_round(company=callers > 1):
            callers = len(taken)
            with self._changed:
                begun = [wait for wait in taken if wait.begin()]
            if begun:
                self._do(begun)

    def _next_round(self, *, company: bool) -> list[_Wait[Question, Answer]]:
        """Wait for work and take what fits in one round; nothing if closed and all is done.

        With `company`, whoever was just answered together is likely to come again: wait a moment
        for more, without being woken for each.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
        if company:
            sleep(MOMENT_SECONDS)
        with self._changed:
            taken: list[_Wait[Question, Answer]] = []
            size = 0
            while self._queue and (not taken or size + len(self._queue[0].items) <= MAX_TOGETHER):
                taken.append(self._queue.popleft())
                size += len(taken[-1].items)
            self._waiting -= size
            self._waiting_bytes -= sum([wait.size for wait in taken])
            return taken

    def _do(self, begun: list[_Wait[Question, Answer]]) -> None:
        try:
            answers = self._work([item for wait in begun for item in wait.items])
        except self._shared as error:
            _hand_out([(wait, error) for wait in begun])
        except Exception as error:  # noqa: BLE001 - handed to the caller, who alone can judge it
            if len(begun) == 1:
                _hand_out([(begun[0], error)])
                return
            for wait in begun:
                self._do([wait])
        else:
            finished: list[tuple[_Wait[Question, Answer], list[Answer] | Exception]] = []
            at = 0
            for wait in begun:
                finished.append((wait, answers[at : at + len(wait.items)]))
                at += len(wait.items)
            _hand_out(finished)


def _hand_out(
    finished: Sequence[tuple[_Wait[Question, Answer], list[Answer] | Exception]],
) -> None:
    """Finish each caller where it waits, with one wake-up for all of a loop."""
    for loop in {wait.loop for wait, _ in finished}:
        here = [(wait, result) for wait, result in finished if wait.loop is loop]
        if loop is None:
            _finish(here)
        else:
            with suppress(RuntimeError):  # the loop ended, and whoever waited there with it
                loop.call_soon_threadsafe(_finish, here)


def _finish(finished: Sequence[tuple[_Wait[Question, Answer], list[Answer] | Exception]]) -> None:
    for wait, result in finished:
        wait.finish(result)
