"""The projections as one thing to start: the worker loop, and the answers over what it folded.

The worker never passes a fact it could not fold. It stops there, says where in the log, and tries
again with growing pauses; everything before that fact is committed.
"""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import structlog
from eventsourcing.persistence import PersistenceError

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.feed import LedgerFeed
from services.projections.answers import Answers
from services.projections.discovery import find_read_models
from services.projections.errors import FoldFailed, ProjectionError
from services.projections.tables import prepare
from services.projections.timers import fire_due
from services.projections.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from threading import Event

    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    from events.catalog import Catalog
    from events.facts import Fact
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.ledger import Ledger
    from services.projections.answers import Directory
    from services.projections.discovery import Found

log = structlog.get_logger()
BATCH = 3000
"""Facts folded in one transaction, at most."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
RARE_COLLECTIONS = (200_000, 20, 100)
"""Thresholds of the garbage collector while folding."""
TIMER_SECONDS = 1.0
"""Timers are looked at this often at most."""
REMOVALS = 500
"""Customers folded anew in one transaction because their events lost bodies."""


class Feed(Protocol):
    """Hands over facts in order, and an empty batch at least every second when there are none."""

    def batches(self, after: int, limit: int, stop: Event) -> Iterable[list[Fact]]:
        """Facts after position `after`, at most `limit` a batch, until `stop`."""
        ...


class Folding:
    """The half of the projections that remembers; it meets nobody by name."""

    def __init__(
        self,
        ledger: Ledger,
        pool: ConnectionPool[Connection[Any]],
        catalog: Catalog,
        *,
        clock: Clock = system_clock,
    ) -> None:
        """Fold `ledger` into the database of `pool`."""
        self._ledger = ledger
        self._pool = pool
        self._clock = clock
        self.found: Sequence[Found] = find_read_models(language=catalog)

    def prepare(self) -> None:
        """Make the tables of the read models where they are missing. Safe to repeat.

        Raises:
            BrokenReadModel: a table does not fit its fold.
        """
        with self._pool.connection() as connection:
            prepare(connection, self.found)

    def run_worker(self, stop: Event) -> None:
        """Fold until `stop` is set; after a failure begin again from the stored checkpoint."""
        conninfo = self._conninfo()
        run_worker(
            conninfo,
            self.found,
            self._ledger,
            LedgerFeed(self._ledger, conninfo),
            stop,
            self._clock,
        )

    def _conninfo(self) -> str:
        conninfo = self._pool.conninfo
        return conninfo if isinstance(conninfo, str) else conninfo()


class ProjectionService(Folding):
    """Everything the projections do, over one database."""

    def __init__(
        self,
        ledger: Ledger,
        pool: ConnectionPool[Connection[Any]],
        identifiers: Directory,
        catalog: Catalog,
        *,
        clock: Clock = system_clock,
    ) -> None:
        """Fold and answer over the database of `pool`; find customers by `identifiers`."""
        super().__init__(ledger, pool, catalog, clock=clock)
        self.answers = Answers(ledger, pool, identifiers, catalog, self.found, clock)


def run_worker(  # noqa: PLR0913, PLR0917 - the loop's whole surroundings, named
    conninfo: str,
    found: Sequence[Found],
    ledger: Ledger,
    feed: Feed,
    stop: Event,
    clock: Clock = system_clock,
) -> None:
    """Fold `feed` into the tables of `found` until `stop` is set."""
    with _rare_collections():
        _run(conninfo, found, ledger, feed, stop, clock)


@contextmanager
def _rare_collections() -> Generator[None]:
    """Look for cyclic garbage more rarely in this process.

    A batch makes hundreds of thousands of small containers, none in a cycle; walking them again
    and again took more than half of the worker's time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*RARE_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _run(  # noqa: PLR0913, PLR0917 - see run_worker
    conninfo: str,
    found: Sequence[Found],
    ledger: Ledger,
    feed: Feed,
    stop: Event,
    clock: Clock,
) -> None:
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = time.monotonic()
        try:
            worker = Worker.hire(conninfo, found, ledger, stop)
            if worker is not None:
                with worker:
                    _follow(worker, feed, stop, clock)
        except (ProjectionError, psycopg.Error, PersistenceError) as error:
            # A spell of good work longer than the longest pause starts the pauses anew.
            good_spell = time.monotonic() - began > LONGEST_PAUSE_SECONDS + pause
            pause = FIRST_PAUSE_SECONDS if good_spell else pause
            _tell(error, pause)
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _follow(worker: Worker, feed: Feed, stop: Event, clock: Clock) -> None:
    """Fold batch after batch; at the feed's end see to what was taken away, and to the timers."""
    timers_at = 0.0
    for facts in feed.batches(worker.position, BATCH, stop):
        _take(worker, facts, clock)
        if len(facts) < BATCH and time.monotonic() >= timers_at:
            timers_at = time.monotonic() + TIMER_SECONDS
            while worker.refold_removed(REMOVALS):
                pass  # all of them, before the clock may act on a state
            fire_due(worker, clock())


def _take(worker: Worker, facts: Sequence[Fact], clock: Clock) -> None:
    """Fold `facts`; where one cannot be folded, fold all before it and then fail.

    The place for poison handling: here the fact that failed, and its model, are known.
    """
    try:
        worker.take(facts, clock())
    except FoldFailed as failed:
        _take(worker, [fact for fact in facts if fact.position < failed.trigger], clock)
        raise


def _tell(error: Exception, pause: float) -> None:
    """Say what stopped the worker: our own words, or only the class and SQLSTATE of others'.

    A database's message can hold values of rows, so it is left out.
    """
    if isinstance(error, FoldFailed):
        cause = type(error.__cause__).__name__
        log.error(
            "projections.fold_failed",
            problem=str(error),
            model=error.model,
            position=error.position,
            event_type=error.fact_type,
            cause=cause,
            retry_seconds=pause,
        )
    elif isinstance(error, ProjectionError):
        log.error("projections.stopped", problem=str(error), retry_seconds=pause)
    else:
        state = error.sqlstate if isinstance(error, psycopg.Error) else None
        log.error(
            "projections.database_failed",
            problem=type(error).__name__,
            sqlstate=state,
            retry_seconds=pause,
        )
