"""Exponential decay in closed form: what a weight is still worth at a later instant.

A decayed sum keeps two numbers, `(total, at)`: the total as it stood at the newest instant it has
seen. A late weight is added at what it is worth by then, so the order of arrival does not matter,
and reading costs the same however long the history. Instants and half-lives share one unit.
"""

from __future__ import annotations

from typing import NamedTuple


def worth(weight: float, age: float, half_life: float) -> float:
    """What `weight` is worth after `age`. An age below zero counts as zero."""
    return weight if age <= 0 else weight * 2.0 ** (-age / half_life)


class DecayedSum(NamedTuple):
    """Weights added up as they stood at instant `at`. `EMPTY_SUM` has seen none."""

    total: float
    at: float | None

    def add(self, weight: float, at: float, half_life: float) -> DecayedSum:
        """Add `weight` that happened at `at`, before or after what was added already."""
        if self.at is None:
            return DecayedSum(weight, at)
        if at >= self.at:
            return DecayedSum(worth(self.total, at - self.at, half_life) + weight, at)
        return DecayedSum(self.total + worth(weight, self.at - at, half_life), self.at)

    def read(self, at: float, half_life: float) -> float:
        """The sum as it stands at `at`, which is not before the newest weight."""
        return 0.0 if self.at is None else worth(self.total, at - self.at, half_life)


EMPTY_SUM = DecayedSum(0.0, None)
