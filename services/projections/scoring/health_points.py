"""How many points does a folded state give at an instant, before rounding and caps? Pure.

Bad points of a dead feed stop fading at the moment it counts as dead: from then on a score can
only fall until the feed lives again.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from services.projections.scoring import complaints
from services.projections.scoring.decay import worth
from services.projections.scoring.rhythm import expected_gap
from services.projections.scoring.times import DAY, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from services.projections.scoring.health_state import HealthState
    from services.projections.scoring.policy import Policy, Threshold


class Moment(NamedTuple):
    """The instant of scoring in seconds, and since when which feeds are dead."""

    as_of: float
    dead: Mapping[str, float]

    def fade_until(self, policy: Policy, type_: str) -> float:
        """Until when bad points of `type_` fade."""
        feed = policy.feed_of.get(type_)
        return min(self.as_of, self.dead.get(feed.name, inf)) if feed else self.as_of


class StatePoints(NamedTuple):
    """Points that no single event makes. `about` names what the sentence speaks of."""

    rule: str
    group: str
    points: float
    about: str


def moment(policy: Policy, as_of: datetime, newest: Mapping[str, datetime] | None) -> Moment:
    """The moment of scoring. `newest`: per event type, the newest `occurred_at` of any customer.

    Without `newest` nothing is known about the feeds and none counts as dead; a feed that never
    brought anything is not connected rather than dead. No fact scored is newer than `newest`.
    """
    at = as_of.timestamp()
    if newest is None:
        return Moment(at, {})
    dead: dict[str, float] = {}
    for feed in policy.feeds.values():
        seen = [newest[type_].timestamp() for type_ in feed.types if type_ in newest]
        if seen and max(seen) + feed.stale_after < at:
            dead[feed.name] = max(seen) + feed.stale_after
    return Moment(at, dead)


def group_points(state: HealthState, policy: Policy, now: Moment) -> dict[str, float]:
    """Points by group, in the policy's order, before caps."""
    totals = dict.fromkeys(policy.groups, 0.0)
    for rule in policy.rules:
        held = state.sums.get(rule.name)
        if held is not None:
            good = worth(held.plus, now.as_of - held.at, rule.half_life)
            until = now.fade_until(policy, rule.type)
            totals[rule.group] += good + worth(held.minus, until - held.at, rule.half_life)
    totals[policy.complaint.group] += _complaint_points(state, policy, now)
    for part in state_points(state, policy, now):
        totals[part.group] += part.points
    return totals


def _complaint_points(state: HealthState, policy: Policy, now: Moment) -> float:
    held = state.complaints
    if held.last is None:
        return 0.0
    until = now.fade_until(policy, complaints.OPENED)
    older = held.settled.read(until, policy.complaint.half_life)
    each = (complaints.parts(one, policy.complaint, now.as_of, until) for one in held.kept.values())
    return older + sum(sum(parts) for parts in each)


def state_points(state: HealthState, policy: Policy, now: Moment) -> Iterator[StatePoints]:
    """Points of the state rules: own pace, thresholds, overdue promises."""
    if state.rhythm.days:
        yield StatePoints("own_pace", policy.own_pace.group, _pace_points(state, policy, now), "")
    for threshold in policy.thresholds:
        times = state.recent.get(threshold.name)
        if times:
            points = _threshold_points(times, threshold, _threshold_end(threshold, policy, now))
            if points:
                yield StatePoints(threshold.name, threshold.group, points, "")
    for key, due in state.promises.items():
        late = now.as_of - due
        if late > 0:
            rule = policy.overdue
            points = rule.points + (rule.worst - rule.points) * min(late / rule.worst_after, 1.0)
            yield StatePoints("promise_overdue", rule.group, points, key)


def _pace_points(state: HealthState, policy: Policy, now: Moment) -> float:
    rule, held = policy.own_pace, state.rhythm
    gaps = max(now.as_of - held.last_at, 0.0) / DAY / expected_gap(held, policy.pace)
    alive = 1 / (1 + (gaps / rule.turning_gaps) ** rule.steepness)
    points = rule.least + (rule.most - rule.least) * alive
    known = held.days - 1
    return points * known / (known + rule.evidence_days) if points > 0 else points


def _threshold_end(threshold: Threshold, policy: Policy, now: Moment) -> float:
    return min(now.fade_until(policy, type_) for type_ in threshold.types)


def _threshold_points(times: tuple[float, ...], threshold: Threshold, end: float) -> float:
    within = sum(1 for at in times if at > end - threshold.window)
    if within < threshold.at_least:
        return 0.0
    return threshold.points + threshold.each_beyond * (within - threshold.at_least)


def state_sentence(part: StatePoints, state: HealthState, policy: Policy) -> str:
    """Why the state gives these points, in one plain sentence."""
    if part.rule == "own_pace":
        gap = expected_gap(state.rhythm, policy.pace)
        return (
            f"The last purchase was on {in_words(state.rhythm.last_at)}; "
            f"this customer is expected to buy every {gap:.0f} days."
        )
    if part.rule == "promise_overdue":
        due = state.promises[part.about]
        return f"A promise was due on {in_words(due)} and is neither kept nor broken."
    threshold = next(each for each in policy.thresholds if each.name == part.rule)
    return (
        f"{threshold.at_least} or more of {', '.join(sorted(threshold.types))} "
        f"within {threshold.window / DAY:.0f} days."
    )
