"""Load a bundled sample, a file, or any events into a running platform, in bounded batches.

Safe to interrupt and to repeat: the platform recognises what it already has and answers
`duplicate`. At most two requests are under way at a time. Nothing here decides what is valid.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import orjson

from rapport.event_files import BadItem, Item, read_file
from rapport.samples import online_retail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rapport.client import Client

MAX_BATCH_EVENTS: Final = 500
MAX_BATCH_BYTES: Final = 3 * 1024 * 1024
REQUESTS_IN_FLIGHT: Final = 2
REFUSED_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a refused event: where in it, what, and what to do about it."""

    pointer: str
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that is not in the ledger now; `status`: rejected, conflict or quarantined."""

    where: str
    status: str
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class Tally:
    """What became of the events so far. `refused` keeps the first 1,000 that were not stored."""

    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    quarantined: int = 0
    refused: list[Refused] = field(default_factory=list[Refused])

    @property
    def not_stored(self) -> int:
        """How many events the ledger does not hold: conflicts, rejected and quarantined."""
        return self.conflict + self.rejected + self.quarantined

    @property
    def done(self) -> int:
        """How many events have their answer."""
        return self.stored + self.duplicate + self.not_stored

    @property
    def exit_code(self) -> int:
        """0 if every event is in the ledger now, else 1."""
        return 1 if self.not_stored else 0


class Report(Protocol):
    """Who is told how it goes. Both are called from the thread that called `load`."""

    def progress(self, tally: Tally, total: int | None) -> None:
        """A batch has its answers; `total` is how many events there will be, if that is known."""

    def refused(self, item: Refused) -> None:
        """One event was not stored."""


class Silence:
    """A report that tells nobody."""

    def progress(self, tally: Tally, total: int | None) -> None:
        """Say nothing."""

    def refused(self, item: Refused) -> None:
        """Say nothing."""


def load(client: Client, what: str | Path, report: Report | None = None) -> Tally:
    """Load `online-retail` or a file of CloudEvents (`.json`, `.ndjson`) and count the answers.

    Raises:
        FileRefused: the file cannot be loaded at all.
        SampleDamaged: the bundled file cannot be read.
        ClientError: the platform cannot be reached, refuses the key, or stays busy. What was
            stored until then stays stored; load again.
    """
    if str(what) == online_retail.NAME:
        return load_events(client, online_retail.events(), report, total=online_retail.INVOICES)
    return _send(client, read_file(Path(what)), report or Silence(), None)


def load_events(
    client: Client,
    events: Iterable[Mapping[str, Any]],
    report: Report | None = None,
    *,
    total: int | None = None,
) -> Tally:
    """Load events made by this program, such as the simulator's; else as `load`."""
    items = (
        Item(f"event {number}", orjson.dumps(event)) for number, event in enumerate(events, start=1)
    )
    return _send(client, items, report or Silence(), total)


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut `items` into lists of at most 500 events whose request body is at most 3 MiB.

    An event that is larger than that by itself travels alone.
    """
    batch: list[Item] = []
    size = 0
    for item in items:
        cost = len(item.body) + 1
        if batch and (len(batch) == MAX_BATCH_EVENTS or size + cost > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += cost
    if batch:
        yield batch


def _send(
    client: Client, items: Iterable[Item | BadItem], report: Report, total: int | None
) -> Tally:
    """Send everything, two requests at a time, and settle the answers in the order sent."""
    tally = Tally()
    under_way: deque[tuple[list[Item], Future[list[dict[str, Any]]]]] = deque()

    def settle() -> None:
        batch, answer = under_way.popleft()
        for item, result in zip(batch, answer.result(), strict=True):
            _count(tally, item.where, result, report)
        report.progress(tally, total)

    with ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="load") as pool:
        try:
            for batch in batches(_sendable(items, tally, report)):
                if len(under_way) == REQUESTS_IN_FLIGHT:
                    settle()
                bodies = [item.body for item in batch]
                under_way.append((batch, pool.submit(client.post_events, bodies)))
            while under_way:
                settle()
        except BaseException:
            client.give_up_waiting()  # so that leaving the pool does not wait for a busy platform
            raise
    report.progress(tally, total)
    return tally


def _sendable(items: Iterable[Item | BadItem], tally: Tally, report: Report) -> Iterator[Item]:
    """Pass on what can be sent; count and report what cannot."""
    for item in items:
        if isinstance(item, Item):
            yield item
        else:
            result = {
                "status": "rejected",
                "errors": [{"pointer": "", "message": item.message, "cure": item.cure}],
            }
            _count(tally, item.where, result, report)


def _count(tally: Tally, where: str, result: Mapping[str, Any], report: Report) -> None:
    """Add one answer to the tally. An answer with an unknown word counts as rejected."""
    match result["status"]:
        case "stored":
            tally.stored += 1
            return
        case "duplicate":
            tally.duplicate += 1
            return
        case "conflict":
            tally.conflict += 1
        case "quarantined":
            tally.quarantined += 1
        case _:
            tally.rejected += 1
    refused = Refused(where, result["status"], _problems(result))
    if len(tally.refused) < REFUSED_KEPT:
        tally.refused.append(refused)
    report.refused(refused)


def _problems(result: Mapping[str, Any]) -> tuple[Problem, ...]:
    """The field errors of an answer; where there are none, its `detail` or `title`."""
    errors: object = result.get("errors")
    listed = cast("list[object]", errors) if isinstance(errors, list) else []
    entries = [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict)]
    problems = tuple(
        Problem(*(str(entry.get(name, "")) for name in ("pointer", "message", "cure")))
        for entry in entries
    )
    if problems:
        return problems
    words = result.get("detail") or result.get("title") or ""
    return (Problem("", str(words), ""),) if words else ()
