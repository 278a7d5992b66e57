"""Many callers, one piece of work: each gets its own answers, whatever happens to the others."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from services.command.gather import (
    MAX_TOGETHER,
    Closed,
    Gatherer,
    NoRoom,
    Overloaded,
    Unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

WAIT = 10


class Everybodys(Exception):
    """A fault that is no caller's own."""


class Worker:
    """Doubles numbers, holds the first round until told to go on, and remembers each round."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.rounds.append(list(numbers))
        self.begun.set()
        assert self.go.wait(WAIT)
        if -1 in numbers:
            raise ValueError
        if -2 in numbers:
            raise Everybodys
        return [2 * number for number in numbers]


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def gatherer(worker: Worker) -> Generator[Gatherer[int, int]]:
    made = Gatherer[int, int](worker, shared=(Everybodys,), max_waiting=4_000)
    yield made
    worker.go.set()
    made.close()


def held(gatherer: Gatherer[int, int], worker: Worker) -> Future[list[int]]:
    """A first round under way, so that what follows gathers behind it."""
    first = gatherer.submit([1])
    assert worker.begun.wait(WAIT)
    return first


def test_what_waits_is_done_in_one_round_and_each_gets_its_own_answers(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    first = held(gatherer, worker)
    others = [gatherer.submit([2, 3]), gatherer.submit([4])]
    worker.go.set()

    assert first.result(WAIT) == [2]
    assert [other.result(WAIT) for other in others] == [[4, 6], [8]]
    assert worker.rounds == [[1], [2, 3, 4]]


def test_a_round_has_a_limit_but_a_large_caller_is_never_parted(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    first = held(gatherer, worker)
    sizes = [MAX_TOGETHER - 1, 2, MAX_TOGETHER + 5]
    futures = [gatherer.submit([7] * size) for size in sizes]
    worker.go.set()

    assert first.result(WAIT) == [2]
    assert [len(future.result(WAIT)) for future in futures] == sizes
    assert [len(each) for each in worker.rounds] == [1, *sizes]


def test_one_callers_fault_hurts_that_one_alone(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    held(gatherer, worker)
    good, bad, late = (gatherer.submit([number]) for number in (2, -1, 3))
    worker.go.set()

    assert good.result(WAIT) == [4]
    assert isinstance(bad.exception(WAIT), ValueError)
    assert late.result(WAIT) == [6]


def test_a_fault_that_is_everybodys_is_told_to_all_of_the_round_at_once(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    held(gatherer, worker)
    futures = [gatherer.submit([number]) for number in (2, -2)]
    worker.go.set()

    assert [type(future.exception(WAIT)) for future in futures] == [Everybodys, Everybodys]
    assert worker.rounds == [[1], [2, -2]]


def test_a_caller_is_told_to_come_back_when_too_much_waits(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    held(gatherer, worker)
    waiting = gatherer.submit([5] * 3_999)
    with pytest.raises(Overloaded):
        gatherer.submit([1, 1])
    last = gatherer.submit([1])
    worker.go.set()

    assert len(waiting.result(WAIT)) == 3_999
    assert last.result(WAIT) == [2]


def test_one_caller_larger_than_the_limit_is_taken_when_nothing_waits(worker: Worker) -> None:
    worker.go.set()
    small = Gatherer[int, int](worker, max_waiting=2)
    try:
        assert small.submit([1, 2, 3]).result(WAIT) == [2, 4, 6]
    finally:
        small.close()


@pytest.fixture
def narrow(worker: Worker) -> Generator[Gatherer[int, int]]:
    """Each number is as many bytes as it counts, and 10 bytes may wait."""
    made = Gatherer[int, int](worker, size_of=lambda number: number, max_waiting_bytes=10)
    yield made
    worker.go.set()
    made.close()


def test_a_caller_is_told_to_come_back_when_too_many_bytes_wait(
    narrow: Gatherer[int, int], worker: Worker
) -> None:
    first = held(narrow, worker)
    waiting = narrow.submit([4, 4])
    with pytest.raises(NoRoom):
        narrow.submit([1, 2])
    with pytest.raises(NoRoom):
        asyncio.run(narrow.join([3], WAIT))
    last = narrow.submit([2])
    worker.go.set()

    assert [each.result(WAIT) for each in (first, waiting, last)] == [[2], [8, 8], [4]]


def test_bytes_that_were_taken_make_room_again(narrow: Gatherer[int, int], worker: Worker) -> None:
    worker.go.set()

    assert [narrow.submit([10]).result(WAIT) for _ in range(5)] == [[20]] * 5
    assert narrow.submit([11]).result(WAIT) == [22], "one alone may be larger than the limit"


def test_a_caller_that_went_away_is_not_worked_for(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    first = held(gatherer, worker)
    gone, here = gatherer.submit([2]), gatherer.submit([3])
    assert gone.cancel()
    worker.go.set()

    assert first.result(WAIT) == [2]
    assert here.result(WAIT) == [6]
    assert worker.rounds == [[1], [3]]


def test_closing_finishes_what_waits_and_takes_nothing_more(worker: Worker) -> None:
    gatherer = Gatherer[int, int](worker)
    first = held(gatherer, worker)
    waiting = gatherer.submit([2])
    worker.go.set()
    gatherer.close()

    assert first.done()
    assert waiting.result(0) == [4]
    with pytest.raises(Closed):
        gatherer.submit([3])


async def together(
    gatherer: Gatherer[int, int], worker: Worker, *asked: list[int]
) -> list[list[int] | BaseException]:
    """The answers to coroutines that wait at the same time; the worker goes on meanwhile."""
    waiting = [asyncio.ensure_future(gatherer.join(items, WAIT)) for items in asked]
    await asyncio.sleep(0)
    worker.go.set()
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_coroutines_share_a_round_with_threads(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    first = held(gatherer, worker)

    assert asyncio.run(together(gatherer, worker, [2], [3, 4])) == [[4], [6, 8]]
    assert first.result(WAIT) == [2]
    assert worker.rounds == [[1], [2, 3, 4]]


def test_a_coroutines_fault_is_its_own(gatherer: Gatherer[int, int], worker: Worker) -> None:
    held(gatherer, worker)

    good, bad = asyncio.run(together(gatherer, worker, [2], [-1]))

    assert good == [4]
    assert isinstance(bad, ValueError)


def test_a_coroutine_that_gave_up_is_not_worked_for(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    first = held(gatherer, worker)
    with pytest.raises(TimeoutError):
        asyncio.run(gatherer.join([2], 0.01))
    worker.go.set()

    assert first.result(WAIT) == [2]
    assert gatherer.submit([4]).result(WAIT) == [8]
    assert worker.rounds == [[1], [4]]


def test_a_coroutine_that_gave_up_is_told_if_its_work_was_begun(
    gatherer: Gatherer[int, int], worker: Worker
) -> None:
    async def hurried() -> list[int]:
        waiting = asyncio.ensure_future(gatherer.join([1], 0.2))
        await asyncio.to_thread(worker.begun.wait, WAIT)
        return await waiting

    with pytest.raises(Unfinished):
        asyncio.run(hurried())


def test_a_loop_that_ended_stops_nobody_else(gatherer: Gatherer[int, int], worker: Worker) -> None:
    async def go_away() -> None:
        waiting = asyncio.ensure_future(gatherer.join([1], WAIT))
        await asyncio.to_thread(worker.begun.wait, WAIT)
        waiting.cancel()

    asyncio.run(go_away())
    worker.go.set()

    assert gatherer.submit([2]).result(WAIT) == [4]
