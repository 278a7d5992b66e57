"""L7, L8, L10: a full log read in order, one customer's history, bytes on disk.

All three look at the same two logs, filled once with the same events and vacuumed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles
from typing import TYPE_CHECKING

import psycopg

from tests.bench.appending import FILL_BATCH
from tests.bench.row import OURS, PER_SECOND, Contest, Demand, Row
from tests.bench.stores import LIBRARY, Library, Ours, ours, theirs
from tests.bench.workload import CUSTOMERS, Workload, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from tests.bench.place import Place
    from tests.bench.row import Task

FILL_PART = 50_000
PAGE = 1_000
"""Events the library is asked for at a time; it gains nothing from larger pages."""
PER_CUSTOMER = 50
LOOKUPS = 500
FACTS = "Rapport, parsed facts"
EVENTS = 500_000
_SIZES = b"""
SELECT oid::regclass::text || ' itself', pg_table_size(oid) FROM pg_class
WHERE oid = ANY (%(tables)s::regclass[])
UNION ALL
SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
WHERE indrelid = ANY (%(tables)s::regclass[])
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """Two logs of the same events."""

    ours: Ours
    library: Library
    streams: Sequence[UUID]
    events: int


_filled: dict[tuple[int, int], Filled] = {}


def filled(place: Place, task: Task) -> Filled:
    """Two logs of `task.events` events, made by the first row that asks and kept for the others."""
    key = (id(place), task.events)
    if key not in _filled:
        _filled[key] = place.lasting.enter_context(_fill(place, task.events))
        place.lasting.callback(_filled.pop, key)
    return _filled[key]


@contextmanager
def _fill(place: Place, events: int) -> Generator[Filled]:
    workload = Workload(max(1, min(CUSTOMERS, events // PER_CUSTOMER)))
    with Ours.open(place) as mine, Library.open(place) as library:
        while workload.made < events:
            part = workload.take(min(FILL_PART, events - workload.made))
            mine.append(batches(ours(part), FILL_BATCH))
            library.append(batches(theirs(part), FILL_BATCH))
        for database in (mine.database, library.database):
            with psycopg.connect(database.owner_conninfo, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")
        yield Filled(mine, library, workload.streams, events)


@contextmanager
def whole_log(place: Place, task: Task) -> Generator[Contest]:
    """Every event in order of position, with its header decoded."""
    logs = filled(place, task)

    def mine() -> float:
        return _reading(logs.events, (1 for _ in logs.ours.ledger.scan()))

    def library() -> float:
        return _reading(logs.events, _pages_of_library(logs.library))

    yield Contest({OURS: mine, LIBRARY: library}, size=lambda: logs.events)


def _reading(expected: int, pages: Iterable[int]) -> float:
    """Events a second of going through `pages`, each the number of events in it."""
    began = time.perf_counter()
    found = sum(pages)
    took = time.perf_counter() - began
    if found != expected:
        raise AssertionError(f"{found} events were read of {expected}.")
    return found / took


def _pages_of_library(library: Library) -> Iterator[int]:
    position = 0
    while found := library.recorder.select_notifications(position + 1, PAGE):
        yield len(found)
        position = found[-1].id


@contextmanager
def one_history(place: Place, task: Task) -> Generator[Contest]:
    """All events of one customer, customers picked at random; the median time of a look-up.

    Both recorders answer the same question with stored events, whose bodies are bytes. Beside them
    the history that folds read: facts with every column and the body parsed.
    """
    logs = filled(place, task)
    dice = Random(2)  # noqa: S311 - any customers do
    asked: list[UUID] = []
    slowest: dict[str, list[float]] = {OURS: [], LIBRARY: [], FACTS: []}

    def prepare() -> None:
        asked[:] = dice.choices(logs.streams, k=LOOKUPS)

    def timed(name: str, look: Callable[[UUID], Sequence[object]]) -> float:
        times = [_milliseconds(look, stream) for stream in asked]
        slowest[name].append(quantiles(times, n=100)[-1])
        return median(times)

    def notes() -> list[str]:
        p99 = ", ".join(f"{name} {median(found):.2f}" for name, found in slowest.items())
        return [f"p99 ms: {p99}; {logs.events / len(logs.streams):.0f} events a customer"]

    yield Contest(
        {
            OURS: lambda: timed(OURS, logs.ours.ledger.recorder.select_events),
            LIBRARY: lambda: timed(LIBRARY, logs.library.recorder.select_events),
            FACTS: lambda: timed(FACTS, logs.ours.ledger.history),
        },
        prepare,
        size=lambda: logs.events,
        notes=notes,
    )


def _milliseconds(look: Callable[[UUID], object], stream: UUID) -> float:
    began = time.perf_counter()
    look(stream)
    return 1e3 * (time.perf_counter() - began)


@contextmanager
def bytes_an_event(place: Place, task: Task) -> Generator[Contest]:
    """Tables, TOAST and indexes on disk, divided by the events in them."""
    logs = filled(place, task)
    mine = _sizes(logs.ours.database.owner_conninfo, "ledger.rows", "ledger.streams")
    library = _sizes(logs.library.database.owner_conninfo, "stored_events")
    yield Contest(
        {
            OURS: lambda: sum(mine.values()) / logs.events,
            LIBRARY: lambda: sum(library.values()) / logs.events,
        },
        size=lambda: logs.events,
        notes=lambda: [_parts(sizes, logs.events) for sizes in (mine, library)],
    )


def _sizes(conninfo: str, *tables: str) -> dict[str, int]:
    """Bytes on disk of each table itself, and of each of its indexes."""
    with psycopg.connect(conninfo) as connection:
        return dict(connection.execute(_SIZES, {"tables": list(tables)}).fetchall())


def _parts(sizes: Mapping[str, int], events: int) -> str:
    return ", ".join(f"{name} {held / events:.0f}" for name, held in sizes.items())


ROWS = (
    Row(
        "L7",
        "whole log in order",
        PER_SECOND,
        (Demand(LIBRARY, 2.5),),
        whole_log,
        events=EVENTS,
    ),
    Row(
        "L8",
        "one customer's history, p50",
        "ms",
        (Demand(LIBRARY, 0.5, at_most=True),),
        one_history,
        events=EVENTS,
    ),
    Row(
        "L10",
        "on disk, indexes included",
        "bytes/event",
        (Demand(LIBRARY, 1.2, at_most=True),),
        bytes_an_event,
        events=EVENTS,
        once=True,
    ),
)
