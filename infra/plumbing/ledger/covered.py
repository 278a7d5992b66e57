"""How far the newest signed checkpoint reaches, and whether it is overdue.

A signer that cannot run (its key is away, say) stops nothing else, so it has to be said: `/readyz`
tells it, and the log once when checkpoints become overdue and once when they come again. Signed or
not, events are recorded and read as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from infra.plumbing.away import AWAY
from infra.plumbing.ledger.signing import EVERY_SECONDS, SQL

if TYPE_CHECKING:
    from threading import Event

    from infra.plumbing.postgres.pool import Pool

OVERDUE_SECONDS: Final = 5 * EVERY_SECONDS
"""An event that waits longer for a checkpoint shows that the signer does not work."""
LOOK_SECONDS: Final = 15.0
WARNING: Final = (
    "No checkpoint covers the newest events, for more than {minutes:.0f} minutes: the signer does "
    "not work. Look at its lines in the log (`rapport signer` says by itself what it lacks)."
)
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Covered:
    """The newest checkpoint and what it does not cover. Ages are by the database's own clock.

    `size` and `age_seconds` are None where nothing was signed yet. `waiting_seconds` is how long
    the oldest event that is not covered has been recorded; 0 where there is none.
    """

    recorded: int
    size: int | None
    age_seconds: float | None
    waiting_seconds: float

    @classmethod
    def of_row(cls, row: tuple[Any, ...]) -> Covered:
        """What the statement `covered` answers."""
        recorded, size, age, waiting = row
        return cls(recorded, size, None if age is None else max(0.0, age), max(0.0, waiting or 0.0))

    @property
    def uncovered(self) -> int:
        """How many events no checkpoint covers."""
        return max(0, self.recorded - (self.size or 0))

    @property
    def overdue(self) -> bool:
        """Whether an event waits for much longer than the signer ever lets one wait.

        A quiet log is not: where nothing came, there is nothing to sign, however old the last is.
        """
        return self.uncovered > 0 and self.waiting_seconds > OVERDUE_SECONDS

    def told(self) -> dict[str, Any]:
        """As `/readyz` says it; with a sentence where somebody must do something."""
        said: dict[str, Any] = {
            "size": self.size,
            "age_seconds": None if self.age_seconds is None else round(self.age_seconds, 1),
            "uncovered": self.uncovered,
            "waiting_seconds": round(self.waiting_seconds, 1),
            "overdue": self.overdue,
        }
        if self.overdue:
            said["warning"] = WARNING.format(minutes=OVERDUE_SECONDS / 60)
        return said


class CheckpointWatch:
    """Says in the log when checkpoints become overdue, and when they come again; each once."""

    def __init__(self, pool: Pool) -> None:
        """Look through `pool`."""
        self._pool = pool
        self._overdue = False

    def run(self, stop: Event) -> None:
        """Look now and then until `stop` is set; a database that is away is others' news."""
        while not stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except AWAY:
                continue

    def look(self) -> Covered:
        """Look once, and log what changed.

        Raises:
            One of AWAY: the database does not answer.
        """
        with self._pool.connection() as connection:
            [row] = connection.execute(SQL["covered"]).fetchall()
        seen = Covered.of_row(row)
        if seen.overdue and not self._overdue:
            _LOG.warning(
                "checkpoints_overdue",
                position=seen.size or 0,
                count=seen.uncovered,
                seconds=round(seen.waiting_seconds),
            )
        elif self._overdue and not seen.overdue:
            _LOG.warning("checkpoints_come_again", position=seen.size or 0, count=seen.uncovered)
        self._overdue = seen.overdue
        return seen
