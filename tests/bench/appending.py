"""L1 to L5: appending, one caller or many, against the library's recorder and raw COPY."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench.row import OURS, PER_SECOND, Contest, Demand, Row
from tests.bench.stores import COPY, LIBRARY, Library, Ours, RawCopy, ours, theirs
from tests.bench.workload import Workload, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from tests.bench.place import Place
    from tests.bench.row import Task
    from tests.bench.workload import Made

FILL_BATCH = 1_000
SINGLES = 2_000
"""Single appends of a round at most; what else the log is to hold comes in batches, untimed."""
CALLERS = 64
LIBRARY_CALLERS = 4
"""Threads of the library. Its table lock lets in one at a time, so more gain it little."""


@dataclass(slots=True)
class Side:
    """One contender: how it makes the round's events its own, and how it stores them."""

    form: Callable[[Any], Any]
    store: Callable[[Any], object]
    fill: Callable[[Any], object] = lambda _: None
    formed: Any = field(default=None, init=False)

    def run(self, events: int) -> float:
        """Store what was formed, which is so many events; events a second."""
        began = time.perf_counter()
        self.store(self.formed)
        took = time.perf_counter() - began
        self.formed = None
        return events / took


def contest(sides: Mapping[str, Side], *, timed: int, untimed: int = 0) -> Contest:
    """Sides that store the same `timed` events in each round, after `untimed` others."""
    workload = Workload()

    def prepare() -> None:
        if untimed:
            filling = workload.take(untimed)
            for side in sides.values():
                side.fill(filling)
        events = workload.take(timed)
        for side in sides.values():
            side.formed = side.form(events)

    contenders = {name: partial(side.run, timed) for name, side in sides.items()}
    return Contest(contenders, prepare, size=lambda: workload.made)


def in_batches(size: int, *rivals: str) -> Callable[[Place, Task], Any]:
    """Appends of `size` events by one caller."""

    @contextmanager
    def opened(place: Place, task: Task) -> Generator[Contest]:
        with ExitStack() as stack:
            mine = stack.enter_context(Ours.open(place))
            sides = {OURS: Side(lambda events: batches(ours(events), size), mine.append)}
            if LIBRARY in rivals:
                library = stack.enter_context(Library.open(place))
                sides[LIBRARY] = Side(lambda events: batches(theirs(events), size), library.append)
            if COPY in rivals:
                raw = stack.enter_context(RawCopy.open(place))
                sides[COPY] = Side(
                    lambda events: [raw.pack(part) for part in batches(events, size)], raw.append
                )
            yield contest(sides, timed=task.share(size))

    return opened


@contextmanager
def singly(place: Place, task: Task) -> Generator[Contest]:
    """One event an append, by one caller."""
    with Ours.open(place) as mine, Library.open(place) as library:
        sides = {
            OURS: Side(lambda events: batches(ours(events), 1), mine.append, _fill(mine)),
            LIBRARY: Side(
                lambda events: batches(theirs(events), 1), library.append, _fill_library(library)
            ),
        }
        yield _singles(sides, task)


@contextmanager
def singly_together(place: Place, task: Task) -> Generator[Contest]:
    """One event an append, by 64 callers at once; by 4 threads on the library."""
    with Ours.open(place) as mine, Library.open(place) as library:
        sides = {
            OURS: Side(
                lambda events: _dealt(ours(events), CALLERS),
                mine.append_together,
                _fill(mine),
            ),
            LIBRARY: Side(
                lambda events: _dealt(theirs(events), LIBRARY_CALLERS),
                library.append_together,
                _fill_library(library),
            ),
        }
        yield _singles(sides, task)


def _singles(sides: Mapping[str, Side], task: Task) -> Contest:
    timed = min(SINGLES, task.share(CALLERS))
    untimed = (task.share(CALLERS) - timed) // FILL_BATCH * FILL_BATCH
    return contest(sides, timed=timed, untimed=untimed)


def _fill(mine: Ours) -> Callable[[Sequence[Made]], object]:
    return lambda events: mine.append(batches(ours(events), FILL_BATCH))


def _fill_library(library: Library) -> Callable[[Sequence[Made]], object]:
    return lambda events: library.append(batches(theirs(events), FILL_BATCH))


def _dealt(events: Sequence[Any], callers: int) -> list[Sequence[Any]]:
    """`events` dealt out evenly, each caller its own in order."""
    return [events[caller::callers] for caller in range(callers)]


ROWS = (
    Row(
        "L1",
        "append, 1,000 a batch",
        PER_SECOND,
        (Demand(LIBRARY, 2.5),),
        in_batches(1_000, LIBRARY),
    ),
    Row(
        "L2",
        "append, 1,000 a batch",
        PER_SECOND,
        (Demand(COPY, 0.45),),
        in_batches(1_000, COPY),
    ),
    Row("L3", "append, 100 a batch", PER_SECOND, (Demand(LIBRARY, 2.5),), in_batches(100, LIBRARY)),
    Row(
        "L4",
        "append singly, 64 callers",
        PER_SECOND,
        (Demand(LIBRARY, 8.0),),
        singly_together,
        events=24_000,
    ),
    Row(
        "L5",
        "append singly, one caller",
        PER_SECOND,
        (Demand(LIBRARY, 1.5),),
        singly,
        events=12_000,
    ),
)
