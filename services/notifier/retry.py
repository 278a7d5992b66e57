"""How long to wait after a failed attempt, and when to give up. Pure: the dice are brought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MOST_STEPS = 60
"""Any wait has reached any cap by then, and no float has overflowed."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits grow by `factor` from `base` up to `cap`; after `attempts` attempts it is given up.

    As set: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 5.7 h, then every 6 h; twelve attempts, about a
    day and a half in all, less the jitter.
    """

    base: timedelta = timedelta(seconds=5)
    factor: float = 4.0
    cap: timedelta = timedelta(hours=6)
    attempts: int = 12

    def wait(self, attempt: int, dice: float, asked: timedelta | None = None) -> timedelta:
        """How long to wait after failed attempt number `attempt` (1, 2, 3 ...).

        `dice` in [0, 1) takes away up to half, so that receivers that fell over together are not
        called together. A wait the receiver `asked` for is kept if longer, up to `cap`.
        """
        steps = min(attempt - 1, MOST_STEPS)
        full = min(self.base.total_seconds() * self.factor**steps, self.cap.total_seconds())
        jittered = timedelta(seconds=full * (1.0 - dice / 2.0))
        return max(jittered, min(asked or timedelta(0), self.cap))

    def is_last(self, attempt: int) -> bool:
        """True if no attempt follows attempt number `attempt`."""
        return attempt >= self.attempts
