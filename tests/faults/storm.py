"""One fault test from its first event to its judgement: load, faults, calm, evidence."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psycopg

from tests.faults.emitters import canary, telling
from tests.faults.evidence import Evidence
from tests.faults.officer import erasing
from tests.faults.reaper import Reaper
from tests.faults.record import Record
from tests.faults.roles import i9_nothing_is_read_across_roles
from tests.services.notifier.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.faults.program import Program

SOURCES = ("shop", "care", "till", "mail")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the published test vector
CALM_SECONDS = 120.0
LAST_ALERT_SECONDS = 100.0
"""A delivery whose sender died is taken up again when its lease of 60 s is over."""
UNSETTLED = """
SELECT (SELECT size FROM ledger.head) - (SELECT min(position) FROM read.checkpoints)
    + (SELECT size FROM ledger.head) - (SELECT min(position) FROM notifier.checkpoints)
    + (SELECT count(*) FROM outbox.proposals WHERE recorded_at IS NULL)
    + (SELECT count(*) FROM read.timers WHERE proposed_at IS NULL AND due_at <= now())
    + (SELECT {} - count(*) FROM ledger.events WHERE type = 'customer.erased')
"""
_STEP_SECONDS = 0.05


@dataclass
class Storm:
    """A running platform under load, and everything an outsider knows of it."""

    program: Program
    seed: int
    sink: Sink
    record: Record = field(default_factory=Record)
    crossed: list[str] = field(default_factory=list[str])
    """What was read across roles."""
    caught_up_seconds: float = 0.0

    def __post_init__(self) -> None:
        dice = random.Random(f"{self.seed} reaper")  # noqa: S311 - repeatable
        self.reaper = Reaper(self.program, self.record, dice)

    def rage(self, faults: Callable[[Reaper], float], url: Callable[[], str]) -> None:
        """Tell events to `url()` while `faults` are dealt, which answer when they were over."""
        keys, officer = self.program.keys(SOURCES), self.program.key_of("privacy")
        with (
            erasing(officer, url, self.record),
            telling(keys, url, self.record, self.seed, datetime.now(UTC)),
        ):
            over = faults(self.reaper)
        self._calm(over)
        self.crossed = i9_nothing_is_read_across_roles(self.program)

    def evidence(self, superuser: str) -> Evidence:
        """What there is to judge, once the program has ended."""
        settings, folder = self.program.settings, self.program.data_dir
        return Evidence(
            superuser,
            folder / "secrets" / "master.key",
            record=self.record,
            samples=self.reaper.samples,
            recoveries=self.reaper.recoveries,
            caught_up_seconds=self.caught_up_seconds,
            received=self.sink.received,
            webhook_secret=settings["RAPPORT_WEBHOOK_SECRET"],
            logs=self.program.logs,
            folder=folder,
            canary=canary(self.seed),
        )

    def summary(self) -> str:
        """What happened, in one line for whoever watches."""
        slowest = max((each.seconds for each in self.reaper.recoveries), default=0.0)
        return (
            f"seed {self.seed} (RAPPORT_TEST_SEED repeats it): {len(self.record.receipts)} events "
            f"acknowledged, {len(self.sink.received)} alerts received, "
            f"{len(self.record.erasures)} customers erased, answers {dict(self.record.counted)}, "
            f"blows {dict(Counter(self.reaper.dealt))}, slowest recovery {slowest:.1f} s, "
            f"caught up {self.caught_up_seconds:.1f} s after the last"
        )

    def _calm(self, over: float) -> None:
        """Wait until every reader is at the end and no alert is on its way that has not arrived."""
        until = monotonic() + CALM_SECONDS
        erased = len(self.record.erasures)
        while self._ask(UNSETTLED.format(erased)) != [(0,)] and monotonic() < until:
            sleep(_STEP_SECONDS)
        self.caught_up_seconds = monotonic() - over
        until = monotonic() + LAST_ALERT_SECONDS
        while self._on_the_way() - set(self.sink.ids) and monotonic() < until:
            sleep(_STEP_SECONDS)
        self.reaper.sample()

    def _on_the_way(self) -> set[str]:
        waiting = "SELECT alert_id::text FROM notifier.deliveries WHERE status = 'pending'"
        return {alert for (alert,) in self._ask(f"{waiting} AND channel = 'webhook'")}

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        """The answer of a database that may be away just now; none then."""
        try:
            with self.program.database() as connection:
                return connection.execute(query.encode()).fetchall()
        except psycopg.Error:
            return []


@contextmanager
def storm(program: Program, seed: int) -> Generator[Storm]:
    """Start `program` with a sink for its alerts; at the end it has been asked to stop."""
    with Sink() as sink:
        program.settings = {
            **program.settings,
            "RAPPORT_LOG_LEVEL": "debug",
            "RAPPORT_WEBHOOK_URL": sink.url,
            "RAPPORT_WEBHOOK_SECRET": SECRET,
        }
        program.start()
        try:
            yield Storm(program, seed, sink)
        finally:
            if program.process is not None:
                program.end()
