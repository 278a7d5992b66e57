"""The bench in print. Words only: what was measured is judged in row.py."""

from __future__ import annotations

import sys
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.row import OURS, PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.row import Outcome, Round, Verdict

MILESTONES = (100_000, 500_000, 2_000_000)
"""Log sizes at which the time an event is printed, if the log came so far."""

_COLUMN = 32


def print_settings(lines: Sequence[str]) -> None:
    """What the figures were measured on."""
    _say(*lines, "Figures are medians over the rounds, [lowest .. highest].", "")


def print_outcome(outcome: Outcome) -> None:
    """One row: its figures, its ratios, its growth and its notes."""
    row = outcome.row
    _say(f"{row.id}  {row.work}" + (f", {row.unit}" if not outcome.missing else ""))
    if outcome.missing:
        _say(f"    not measured: {outcome.missing}", "")
        return
    for name in outcome.rounds[0].figures:
        _say(f"    {name:<{_COLUMN}}{_figures(outcome.figures(name))}")
    for verdict in outcome.verdicts:
        _say(f"    {_verdict(verdict)}")
    if row.unit == PER_SECOND:
        _say(f"    us an event: {growth(outcome.rounds)}")
    for note in outcome.notes:
        _say(f"    {note}")
    rounds = len(outcome.rounds)
    _say(f"    {rounds} round{'s' * (rounds > 1)}, {outcome.rounds[-1].size:,} events", "")


def growth(rounds: Sequence[Round]) -> str:
    """Our time an event as the log grows: at each milestone it reached, else at its two ends."""
    reached = [at for at in MILESTONES if at <= rounds[-1].size]
    if rounds[0].size == rounds[-1].size:
        return f"{1e6 / median(each.figures[OURS] for each in rounds):.1f}"
    if len(reached) > 1:
        at = [min(rounds, key=lambda each: abs(each.size - mark)) for mark in reached]
    else:
        at = [rounds[0], rounds[-1]]
    return ", ".join(f"{1e6 / each.figures[OURS]:.1f} at {each.size:,}" for each in at)


def _verdict(verdict: Verdict) -> str:
    demand = verdict.demand
    word = "MISSED" if verdict.failed else "reached" if verdict.met else "not reached"
    bound = "stretch: " * demand.stretch + ("at most" if demand.at_most else "at least")
    spread = f"[{verdict.lowest:.2f} .. {verdict.highest:.2f}]"
    against = f"x {demand.against}"
    return f"{against:<{_COLUMN}}{verdict.ratio:.2f} {spread}, {bound} {demand.ratio}: {word}"


def _figures(found: Sequence[float]) -> str:
    return f"{_figure(median(found))} [{_figure(min(found))} .. {_figure(max(found))}]"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
