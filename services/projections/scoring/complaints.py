"""What do a customer's complaints cost, while open and after they were closed? Pure.

An open complaint weighs its severity's points, more if it came soon after another, less after a
long past of purchases, and more again as it ages. It does not fade. Closed, it leaves a share by
outcome, and that fades. So unrecovered < recovered < none, at every instant.

The newest `KEPT_COMPLAINTS` keep a record; an older closed one becomes part of one decayed sum
(reopened later, it counts as a new one). If all are open, the oldest is settled in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from services.projections.scoring.decay import EMPTY_SUM, DecayedSum, worth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from events.facts import Fact
    from services.projections.scoring.policy import ComplaintRule

OPENED = "complaint.opened"
RESPONDED = "complaint.responded"
RESOLVED = "complaint.resolved"
REOPENED = "complaint.reopened"
TYPES = frozenset({OPENED, RESPONDED, RESOLVED, REOPENED})
KEPT_COMPLAINTS = 16


class Complaint(NamedTuple):
    """One complaint. `weight` is what it costs in full; `since` is when it was (re)opened."""

    weight: float
    since: float
    responded: bool
    closed: float | None
    left_over: float


class Complaints(NamedTuple):
    """`kept` by complaint id, `settled` what older ones still cost (below 0), `last` opened."""

    kept: dict[str, Complaint]
    settled: DecayedSum
    last: float | None


class Parts(NamedTuple):
    """The points of one complaint now, by what they come from; their sum is never above zero."""

    opened: float
    responded: float
    ageing: float
    resolved: float


NO_COMPLAINTS = Complaints({}, EMPTY_SUM, None)


def step(state: Complaints, fact: Fact, rule: ComplaintRule, purchase_days: int) -> Complaints:
    """Read one complaint fact; one that changes nothing leaves the very same state."""
    key = fact.data.get("complaint_id")
    if not isinstance(key, str):
        return state
    at = fact.occurred_at.timestamp()
    known = state.kept.get(key)
    if known is None:
        if fact.type in (OPENED, REOPENED):
            return _opened(state, key, _weight(fact, state, rule, purchase_days), at, rule)
        return state
    changed = _changed(known, fact, at, rule)
    if changed is known:
        return state
    return state._replace(kept={**state.kept, key: changed})


def _weight(fact: Fact, state: Complaints, rule: ComplaintRule, purchase_days: int) -> float:
    severity = fact.data.get("severity")
    points = rule.points.get(severity) if isinstance(severity, str) else None
    full = -(rule.points[rule.severity_unsaid] if points is None else points)
    soft = rule.soft_least + (1 - rule.soft_least) * worth(1, purchase_days, rule.soft_half_days)
    at = fact.occurred_at.timestamp()
    last = state.last
    soon = 0.0 if last is None else worth(rule.soon_extra, at - last, rule.soon_half_life)
    return full * soft * (1 + soon)


def _opened(
    state: Complaints, key: str, weight: float, at: float, rule: ComplaintRule
) -> Complaints:
    kept = {**state.kept, key: Complaint(weight, at, responded=False, closed=None, left_over=1)}
    last = at if state.last is None else max(at, state.last)
    if len(kept) <= KEPT_COMPLAINTS:
        return Complaints(kept, state.settled, last)
    oldest = min(kept, key=lambda each: _age_order(each, kept[each]))
    weight, closed = settled(kept.pop(oldest), at)
    return Complaints(kept, state.settled.add(weight, closed, rule.half_life), last)


def _age_order(key: str, complaint: Complaint) -> tuple[bool, float, str]:
    """Closed before open, then the longest so."""
    closed = complaint.closed
    return (closed is None, complaint.since if closed is None else closed, key)


def settled(complaint: Complaint, at: float) -> tuple[float, float]:
    """What a complaint becomes when its record is given up: points, and from when they fade."""
    if complaint.closed is None:
        return (-complaint.weight, at)
    return (-complaint.weight * complaint.left_over, complaint.closed)


def _changed(known: Complaint, fact: Fact, at: float, rule: ComplaintRule) -> Complaint:
    is_open = known.closed is None
    if fact.type == REOPENED and not is_open:
        weight = known.weight * rule.reopened_factor
        return Complaint(weight, at, responded=False, closed=None, left_over=1)
    if fact.type == RESOLVED and is_open:
        return known._replace(closed=at, left_over=_left_over(fact, rule))
    if fact.type == RESPONDED and is_open and not known.responded:
        return known._replace(responded=True)
    return known


def _left_over(fact: Fact, rule: ComplaintRule) -> float:
    outcome = fact.data.get("outcome")
    left = rule.left_over.get(outcome) if isinstance(outcome, str) else None
    usual = rule.outcome_unsaid if left is None else left
    return max(usual, rule.dissatisfied) if fact.data.get("satisfied") is False else usual


def parts(complaint: Complaint, rule: ComplaintRule, as_of: float, fade_until: float) -> Parts:
    """The points now. Fading stops at `fade_until` if that is earlier: the feed is dead since."""
    weight = complaint.weight
    if complaint.closed is None:
        aged = min(max(as_of - complaint.since, 0.0) / rule.ageing, 1.0)
        relief = rule.responded_relief * weight if complaint.responded else 0.0
        return Parts(-weight, relief, -weight * rule.ageing_extra * aged, 0.0)
    left = worth(weight, min(as_of, fade_until) - complaint.closed, rule.half_life)
    return Parts(-left, 0.0, 0.0, left * (1 - complaint.left_over))


def pack(state: Complaints) -> list[Any]:
    """Plain values of the state."""
    kept = {key: list(complaint) for key, complaint in state.kept.items()}
    return [kept, list(state.settled), state.last]


def unpack(values: Sequence[Any]) -> Complaints:
    """The state that `pack` gave these values for."""
    kept, settled_, last = values
    return Complaints(
        {key: Complaint(*each) for key, each in kept.items()}, DecayedSum(*settled_), last
    )
