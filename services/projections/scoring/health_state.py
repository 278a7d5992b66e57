"""What must be remembered of a customer to score their health at any later instant? Pure.

Bounded: a decayed sum a rule, the newest times a threshold needs, the purchase rhythm, a few
complaints and open promises. Order matters (what softened a complaint is what came before it).
The state belongs to one policy: under another the customer's facts are folded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from services.projections.scoring import complaints, orders, promises, rhythm
from services.projections.scoring.complaints import NO_COMPLAINTS, Complaints
from services.projections.scoring.decay import worth
from services.projections.scoring.measures import MEASURES, holds, step_points
from services.projections.scoring.rhythm import NO_PURCHASES, Rhythm
from services.projections.scoring.times import read_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from events.facts import Fact
    from services.projections.scoring.policy import Policy, Rule

KEPT_PROMISES = 32


class Sum(NamedTuple):
    """A rule's good and bad points apart, both as they stood at `at`."""

    plus: float
    minus: float
    at: float


class HealthState(NamedTuple):
    """`sums` by rule, `recent` newest times by threshold, `promises` due by id, `seen` groups."""

    rhythm: Rhythm
    complaints: Complaints
    sums: dict[str, Sum]
    recent: dict[str, tuple[float, ...]]
    promises: dict[str, float]
    seen: tuple[str, ...]


NOBODY = HealthState(NO_PURCHASES, NO_COMPLAINTS, {}, {}, {}, ())


def stepper(policy: Policy) -> Callable[[HealthState, Fact], HealthState]:
    """The fold step under `policy`."""
    return lambda state, fact: step(state, fact, policy)


def step(state: HealthState, fact: Fact, policy: Policy) -> HealthState:
    """Read one fact; one that says nothing to the policy leaves the very same state."""
    kind = fact.type
    if kind in policy.rules_on:
        state = _counted(state, rule_points(state, fact, policy), fact.occurred_at.timestamp())
    if kind in policy.thresholds_on:
        state = _noted(state, fact, policy)
    if kind in orders.TYPES:
        moved = rhythm.step(state.rhythm, fact)
        return state if moved is state.rhythm else HealthState(moved, *state[1:])
    if kind in complaints.TYPES:
        moved = complaints.step(state.complaints, fact, policy.complaint, state.rhythm.days)
        if moved is state.complaints:
            return state
        return _saw(state._replace(complaints=moved), policy.complaint.group)
    if kind in promises.TYPES:
        return _promised(state, fact, policy)
    return state


def rule_points(state: HealthState, fact: Fact, policy: Policy) -> list[tuple[Rule, float]]:
    """The rules that this fact meets, with its points before any fading."""
    found: list[tuple[Rule, float]] = []
    for rule in policy.rules_on.get(fact.type, ()):
        if rule.where and not holds(rule.where, fact.data):
            continue
        if rule.measure is None:
            found.append((rule, rule.points))
            continue
        at = fact.occurred_at.timestamp()
        due = state.promises.get(promises.promise_id(fact))
        measured = MEASURES[rule.measure](fact.data, at, due)
        if measured is not None:
            found.append((rule, step_points(rule.steps, measured)))
    return found


def _counted(state: HealthState, met: list[tuple[Rule, float]], at: float) -> HealthState:
    if not met:
        return state
    sums = state.sums.copy()
    for rule, points in met:
        sums[rule.name] = _added(sums.get(rule.name), points, at, rule.half_life)
        state = _saw(state, rule.group)
    return state._replace(sums=sums)


def _added(was: Sum | None, points: float, at: float, half_life: float) -> Sum:
    plus, minus = max(points, 0.0), min(points, 0.0)
    if was is None:
        return Sum(plus, minus, at)
    if at >= was.at:
        fade = worth(1.0, at - was.at, half_life)
        return Sum(was.plus * fade + plus, was.minus * fade + minus, at)
    fade = worth(1.0, was.at - at, half_life)
    return Sum(was.plus + plus * fade, was.minus + minus * fade, was.at)


def _saw(state: HealthState, group: str) -> HealthState:
    if group in state.seen:
        return state
    return state._replace(seen=tuple(sorted((*state.seen, group))))


def _noted(state: HealthState, fact: Fact, policy: Policy) -> HealthState:
    at = fact.occurred_at.timestamp()
    for threshold in policy.thresholds_on[fact.type]:
        if holds(threshold.where, fact.data):
            times = sorted((*state.recent.get(threshold.name, ()), at))
            recent = {**state.recent, threshold.name: tuple(times[-threshold.kept :])}
            state = _saw(state._replace(recent=recent), threshold.group)
    return state


def _promised(state: HealthState, fact: Fact, policy: Policy) -> HealthState:
    key = promises.promise_id(fact)
    if fact.type in (promises.KEPT, promises.BROKEN):
        if key not in state.promises:
            return state
        rest = {each: due for each, due in state.promises.items() if each != key}
        return state._replace(promises=rest)
    due = read_instant(fact.data.get("due_at"))
    is_new = key not in state.promises
    if due is None or not key or is_new != (fact.type == promises.MADE):
        return state
    held = {**state.promises, key: due}
    if len(held) > KEPT_PROMISES:
        held.pop(min(held, key=lambda each: (held[each], each)))
    return _saw(state._replace(promises=held), policy.overdue.group)


def pack(state: HealthState) -> bytes:
    """The state as canonical bytes: equal states give equal bytes."""
    return orjson.dumps(
        [
            rhythm.pack(state.rhythm),
            complaints.pack(state.complaints),
            {name: list(values) for name, values in state.sums.items()},
            state.recent,
            state.promises,
            state.seen,
        ],
        option=orjson.OPT_SORT_KEYS,
    )


def unpack(packed: bytes) -> HealthState:
    """The state that `pack` made these bytes of."""
    rhythm_, complaints_, sums, recent, promises_, seen = orjson.loads(packed)
    return HealthState(
        rhythm.unpack(rhythm_),
        complaints.unpack(complaints_),
        {name: Sum(*values) for name, values in sums.items()},
        {name: tuple(times) for name, times in recent.items()},
        promises_,
        tuple(seen),
    )
