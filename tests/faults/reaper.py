"""Kills random parts of a running platform, sees that each comes back, and samples how far it is.

What is killed, after how many further acknowledgements and how long after the last of them, is
drawn with the reaper's dice; what the machine does at that moment is its own.
"""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psycopg

from tests.faults.program import strike

if TYPE_CHECKING:
    from random import Random

    import psutil

    from tests.faults.program import Program
    from tests.faults.record import Record

PROGRAM, STARTING = "program", "program while it starts"
CRASH, IMMEDIATE, WORKER = "postgres kill -9", "postgres immediate stop", "postgres worker kill -9"
SERVICES = ("projections", "notifier", "signer")
VICTIMS = (PROGRAM, STARTING, CRASH, CRASH, IMMEDIATE, IMMEDIATE, WORKER, *SERVICES, *SERVICES[:2])
"""One round; some stand twice because they matter more."""
MOST_EVENTS_BETWEEN = 150
MOST_MOMENT_SECONDS = 0.06
"""A blow falls so long after an acknowledgement at most: while that event is being folded."""
TWICE_SHARE = 0.25
"""So often the next blow falls while the last one is not recovered from."""
MOST_STARTING_SECONDS = 3.0
BACK_SECONDS = 120.0
"""The test gives up after this; promise P14 is 30 seconds, and an invariant."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a reader was at one moment, and how long the ledger was."""

    reader: str
    position: int
    size: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a blow the first event was acknowledged."""

    after: str
    seconds: float


@dataclass
class Reaper:
    """Deals blows to `program` while `record` grows."""

    program: Program
    record: Record
    dice: Random
    samples: list[Sample] = field(default_factory=list[Sample])
    recoveries: list[Recovery] = field(default_factory=list[Recovery])
    dealt: list[str] = field(default_factory=list[str])

    def deal(self, blows: int) -> float:
        """Deal so many blows, every kind of victim as often; the moment the last was over."""
        plan: list[str] = []
        while len(plan) < blows:
            plan += self.dice.sample(VICTIMS, len(VICTIMS))
        over = monotonic()
        for wanted in plan[:blows]:
            self.sample()
            over = self._blow(wanted, after=self.dice.randrange(MOST_EVENTS_BETWEEN))
            if self.dice.random() >= TWICE_SHARE:
                self._await_recovery(over)
        self._await_recovery(over)
        return over

    def sample(self) -> None:
        """Note how far every reader is and have a checkpoint signed, if the database is there."""
        try:
            with self.program.database() as connection:
                connection.execute("NOTIFY rapport_sign")
                rows = connection.execute(
                    "SELECT name, position, (SELECT size FROM ledger.head) FROM read.checkpoints"
                    " UNION ALL SELECT 'notifier ' || name, position,"
                    " (SELECT size FROM ledger.head) FROM notifier.checkpoints"
                ).fetchall()
        except (psycopg.Error, AssertionError):
            return
        self.samples += [Sample(*row) for row in rows]

    def _await_recovery(self, since: float) -> None:
        known = self.record.acknowledged()
        self.record.wait_for(known + 1, BACK_SECONDS)
        self.recoveries.append(Recovery(self.dealt[-1], monotonic() - since))

    def _blow(self, wanted: str, *, after: int) -> float:
        """Hit the victim the moment `after` more events are acknowledged; when the fault was over.

        Where it is not there, as one that has just been killed, the database is hit instead.
        """
        aimed, how = self._aim(wanted)
        self.record.wait_for(self.record.acknowledged() + after, BACK_SECONDS)
        sleep(self.dice.uniform(0, MOST_MOMENT_SECONDS))
        hit = wanted if strike(aimed, how) else CRASH
        if hit == CRASH != wanted and not strike(self._aim(CRASH)[0], signal.SIGKILL):
            hit = PROGRAM
        if hit in {PROGRAM, STARTING}:
            self.program.kill()
            if hit == STARTING:
                self._kill_while_starting()
            self.program.start()
        self.dealt.append(hit)
        return monotonic()

    def _aim(self, victim: str) -> tuple[psutil.Process | None, signal.Signals]:
        """The process to hit, None if there is none just now, and the signal for it."""
        if victim in {PROGRAM, STARTING}:
            return self.program.itself(), signal.SIGKILL
        if victim == IMMEDIATE:
            return self.program.child("postgres"), signal.SIGQUIT
        if victim == WORKER:
            workers = self.program.workers_of_the_server()
            return self.dice.choice(workers) if workers else None, signal.SIGKILL
        name = "postgres" if victim == CRASH else victim
        return self.program.child(name), signal.SIGKILL

    def _kill_while_starting(self) -> None:
        """Start it and kill it at a random moment of its start."""
        self.program.launch()
        assert self.program.process is not None
        try:
            self.program.process.wait(self.dice.uniform(0, MOST_STARTING_SECONDS))
        except subprocess.TimeoutExpired:
            self.program.kill()
