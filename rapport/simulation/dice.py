"""Chance that can be repeated: the same names give the same draws, on every machine and Python.

Only `random.Random.random` is used, the one method whose sequence Python promises to keep.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Choice = TypeVar("Choice")

_OPENS, _CLOSES = 9, 18


class Dice:
    """Draws that depend on nothing but the names it is made with."""

    def __init__(self, *names: object) -> None:
        """Take the names of what is drawn for: seed, customer, subject matter."""
        seeded = Random(":".join(map(str, names)))  # noqa: S311 # repeatable chance, not a secret
        self._draw = seeded.random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._draw() < probability

    def real(self, low: float, high: float) -> float:
        """Any number from `low` to `high`, all alike."""
        return low + (high - low) * self._draw()

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int((high - low + 1) * self._draw())

    def around(self, middle: float, spread: float) -> float:
        """A number near `middle`, bell-shaped, never further than `spread` away."""
        return middle + spread * (self._draw() + self._draw() + self._draw() - 1.5) / 1.5

    def pick(self, options: Sequence[Choice]) -> Choice:
        """One of the options, all alike."""
        return options[int(len(options) * self._draw())]

    def weighted(self, options: Sequence[tuple[Choice, float]]) -> Choice:
        """One of the options, each as likely as its weight says."""
        left = self._draw() * sum(weight for _, weight in options)
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]

    def days_after(self, moment: datetime, low: int, high: int) -> datetime:
        """A moment in shop hours (9 to 18, the moment's own zone) `low` to `high` days later.

        `low` is at least 1, so the result is later than `moment`.
        """
        day = moment + timedelta(days=self.whole(low, high))
        minute = self.whole(0, 59)
        return day.replace(hour=self.whole(_OPENS, _CLOSES - 1), minute=minute, second=0)
