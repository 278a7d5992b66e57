"""What a row of the bench is, and how it is run: pairs, interleaved, warm-up first. No I/O here.

A contest has contenders; ours is the first. One round runs each of them once over the same work,
in an order that turns from round to round, so that a busy minute of the machine hurts them alike.
What counts is the ratio within one round; the median over the rounds is held to the target.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tests.bench.place import Place

OURS = "Rapport"
PER_SECOND = "events/s"


@dataclass(frozen=True, slots=True)
class Demand:
    """What the row must reach: ours / `against` is at least (or at most) `ratio`."""

    against: str
    ratio: float
    at_most: bool = False
    stretch: bool = False
    """To be wished for; falling short fails nothing."""

    def met(self, ratio: float) -> bool:
        """Say whether this ratio is good enough."""
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio


@dataclass(frozen=True, slots=True)
class Contest:
    """Contenders that stand ready. Each answers its figure in the row's unit when called.

    `prepare` makes the work of the next round, the same for all, while no clock runs. `size` is
    how many events our log holds; `notes` are words to print below the row.
    """

    contenders: Mapping[str, Callable[[], float]]
    prepare: Callable[[], None] = lambda: None
    size: Callable[[], int] = lambda: 0
    notes: Callable[[], list[str]] = list


@dataclass(frozen=True, slots=True)
class Task:
    """How much to do: events in the log at the end, over how many rounds."""

    events: int
    rounds: int

    def share(self, batch: int) -> int:
        """Events of one round (the warm-up is one more): whole batches, at least one."""
        return max(batch, self.events // (self.rounds + 1) // batch * batch)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table in the design: the work, its unit, and what it must reach."""

    id: str
    work: str
    unit: str
    demands: tuple[Demand, ...]
    open: Callable[[Place, Task], AbstractContextManager[Contest]]
    events: int = 200_000
    once: bool = False
    """The figure is no time and comes out the same each time: one round is enough."""


class NotHere(Exception):
    """This row cannot be measured on this machine; the words say why and what would help."""


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one round, and how large our log was after it."""

    figures: Mapping[str, float]
    size: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One demand, judged: the median of the rounds' ratios and the lowest and highest of them."""

    demand: Demand
    ratio: float
    lowest: float
    highest: float

    @property
    def met(self) -> bool:
        """Say whether the median ratio reaches the target."""
        return self.demand.met(self.ratio)

    @property
    def failed(self) -> bool:
        """Say whether it must be reached and is not."""
        return not self.met and not self.demand.stretch


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row that was run; or one that could not be, and why."""

    row: Row
    rounds: Sequence[Round] = ()
    notes: Sequence[str] = ()
    missing: str = ""
    verdicts: Sequence[Verdict] = field(init=False)

    def __post_init__(self) -> None:
        found = [judge(demand, self.rounds) for demand in self.row.demands] if self.rounds else []
        object.__setattr__(self, "verdicts", found)

    def figures(self, name: str) -> list[float]:
        """The figures of one contender, round by round."""
        return [each.figures[name] for each in self.rounds]


def judge(demand: Demand, rounds: Sequence[Round]) -> Verdict:
    """Hold ours against another, round by round."""
    ratios = [each.figures[OURS] / each.figures[demand.against] for each in rounds]
    return Verdict(demand, median(ratios), min(ratios), max(ratios))


def compete(contest: Contest, rounds: int, *, warm_ups: int = 1) -> list[Round]:
    """Run the contest: first to warm up, which does not count, then `rounds` that do."""
    names = list(contest.contenders)
    done: list[Round] = []
    for number in range(warm_ups + rounds):
        contest.prepare()
        turn = number % len(names)
        found = {name: _fresh(contest.contenders[name]) for name in names[turn:] + names[:turn]}
        done.append(Round({name: found[name] for name in names}, contest.size()))
    return done[warm_ups:]


def _fresh(contender: Callable[[], float]) -> float:
    """Run it with no old garbage to collect, and with the prepared work out of the way."""
    gc.collect()
    gc.freeze()
    try:
        return contender()
    finally:
        gc.unfreeze()
