"""How is the relationship with this customer, 0 to 100, and why? Pure.

`score` reads a folded state; `explain` lists every contribution so that the lines sum to the
score shown, to the thousandth; `explain_change` splits the difference of two instants without a
remainder. A score is None (`insufficient_data`) while too little is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from services.projections.scoring.apportion import as_points, thousandths
from services.projections.scoring.explanation import Contribution, Explained
from services.projections.scoring.explanation import lines as explained_lines
from services.projections.scoring.health_points import Moment, group_points, moment
from services.projections.scoring.health_state import NOBODY, HealthState, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from events.facts import Fact
    from services.projections.scoring.policy import Policy

OK = "ok"
INSUFFICIENT = "insufficient_data"
STALE = "stale_input"
WHOLE = 100_000
CAUSES = ("behaviour", "ageing", "policy", "identity", "lateness", "erasure", "override")


@dataclass(frozen=True, slots=True)
class Health:
    """A score. `value` 0..100 with three places or None; `coverage` 0..1 of the inputs known."""

    value: Decimal | None
    status: str
    coverage: Decimal
    groups: Mapping[str, Decimal]
    policy_version: str


@dataclass(frozen=True, slots=True)
class Change:
    """From one health to another. `change` and `split` are None if either has no value."""

    start: Health
    end: Health
    change: Decimal | None
    split: Mapping[str, Decimal] | None


class View(NamedTuple):
    """What is looked at: true in the world at `as_of`, recorded by `known_at`, under `policy`."""

    as_of: datetime
    policy: Policy
    known_at: datetime | None = None


class _Figures(NamedTuple):
    """Whole thousandths: the shown value and the groups after their caps."""

    value: int
    groups: dict[str, int]


def fold(facts: Iterable[Fact], policy: Policy) -> HealthState:
    """The state that `facts`, in order of (occurred_at, position), leave under `policy`."""
    state = NOBODY
    for fact in facts:
        state = step(state, fact, policy)
    return state


def score(
    state: HealthState,
    policy: Policy,
    as_of: datetime,
    newest: Mapping[str, datetime] | None = None,
) -> Health:
    """The health of a folded state at `as_of`, which is not before its last fact.

    `newest` is the newest `occurred_at` per event type over all customers, as of `as_of`; without
    it no feed counts as dead. Decay is closed form: this costs the same for any history.
    """
    now = moment(policy, as_of, newest)
    figures = _figures(group_points(state, policy, now), policy)
    coverage = _coverage(state, policy)
    return _health(figures, coverage, policy, stale=bool(now.dead))


def _figures(points: Mapping[str, float], policy: Policy) -> _Figures:
    groups = {
        name: _held(thousandths(points[name]), thousandths(group.least), thousandths(group.most))
        for name, group in policy.groups.items()
    }
    return _Figures(_held(thousandths(policy.base) + sum(groups.values()), 0, WHOLE), groups)


def _held(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)


def _coverage(state: HealthState, policy: Policy) -> float:
    """Weights of the groups of which anything is known; of rhythm, at least one purchase."""
    paced = policy.own_pace.group
    return sum(
        group.weight
        for name, group in policy.groups.items()
        if (state.rhythm.days > 0 if name == paced else name in state.seen)
    )


def _health(figures: _Figures, coverage: float, policy: Policy, *, stale: bool) -> Health:
    too_little = thousandths(coverage) < thousandths(policy.minimum_coverage) or coverage <= 0
    status = INSUFFICIENT if too_little else STALE if stale else OK
    return Health(
        value=None if too_little else as_points(figures.value),
        status=status,
        coverage=as_points(thousandths(coverage)),
        groups={name: as_points(count) for name, count in figures.groups.items()},
        policy_version=policy.version,
    )


def explain(
    facts: Iterable[Fact],
    policy: Policy,
    as_of: datetime,
    sentence: Callable[[Fact], str],
    newest: Mapping[str, datetime] | None = None,
) -> list[Contribution]:
    """Every contribution to the health at `as_of`; their points sum to the shown value exactly.

    `facts` may come in any order and may run beyond `as_of`. Without a value there are no lines.
    """
    now = moment(policy, as_of, newest)
    explained = Explained(policy, now, sentence)
    for fact in in_order(facts, as_of):
        explained.read(fact)
    figures = _figures(group_points(explained.state, policy, now), policy)
    if _health(figures, _coverage(explained.state, policy), policy, stale=False).value is None:
        return []
    return explained_lines(explained, figures.groups, figures.value)


def in_order(
    facts: Iterable[Fact], as_of: datetime, known_at: datetime | None = None
) -> list[Fact]:
    """The facts true by `as_of` and recorded by `known_at`, in the order a fold reads them."""
    chosen = (
        fact
        for fact in facts
        if fact.occurred_at <= as_of and (known_at is None or fact.recorded_at <= known_at)
    )
    return sorted(chosen, key=lambda fact: fact.order)


def explain_change(
    facts: Sequence[Fact],
    start: View,
    end: View,
    newest: Callable[[datetime], Mapping[str, datetime]] | None = None,
) -> Change:
    """Split `end` minus `start` without a remainder, by changing one thing after another.

    Lateness: the same instant with what is known at the end. Ageing: the same facts at the later
    instant. Behaviour: the facts in between. Policy: the end's policy. No fact changes identity,
    erases or overrides a score yet, so those are zero. `newest` gives the feeds as of an instant.
    """
    feeds = newest or _no_feeds
    first = _scored(facts, start, start.as_of, feeds)
    last = _scored(facts, end, end.as_of, feeds)
    known = start._replace(known_at=end.known_at)
    late = _value(facts, known, start.as_of, feeds)
    aged = _value(facts, known, end.as_of, feeds)
    behaved = _value(facts, known._replace(as_of=end.as_of), end.as_of, feeds)
    was = _value(facts, start, start.as_of, feeds)
    now = _value(facts, end, end.as_of, feeds)
    if first.value is None or last.value is None:
        return Change(first, last, None, None)
    split = dict.fromkeys(CAUSES, 0) | {
        "lateness": late - was,
        "ageing": aged - late,
        "behaviour": behaved - aged,
        "policy": now - behaved,
    }
    points = {cause: as_points(count) for cause, count in split.items()}
    return Change(first, last, last.value - first.value, points)


def _no_feeds(_as_of: datetime) -> Mapping[str, datetime] | None:
    return None


def _at(
    facts: Sequence[Fact],
    view: View,
    as_of: datetime,
    feeds: Callable[[datetime], Mapping[str, datetime] | None],
) -> tuple[HealthState, Moment]:
    state = fold(in_order(facts, view.as_of, view.known_at), view.policy)
    return state, moment(view.policy, as_of, feeds(as_of))


def _scored(
    facts: Sequence[Fact],
    view: View,
    as_of: datetime,
    feeds: Callable[[datetime], Mapping[str, datetime] | None],
) -> Health:
    state, _ = _at(facts, view, as_of, feeds)
    return score(state, view.policy, as_of, feeds(as_of))


def _value(
    facts: Sequence[Fact],
    view: View,
    as_of: datetime,
    feeds: Callable[[datetime], Mapping[str, datetime] | None],
) -> int:
    """Thousandths at `as_of` of the facts of `view`, told even if too little is known to show."""
    state, now = _at(facts, view, as_of, feeds)
    return _figures(group_points(state, view.policy, now), view.policy).value
