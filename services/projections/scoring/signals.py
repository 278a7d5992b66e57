"""Which churn signals are open, which become due when, and what should be recorded now? Pure.

Raising and clearing have different levels, and a raised signal stays for a minimum time. One
signal of a kind is open at once; what else crosses meanwhile keeps it open. The events proposed
have ids and words that do not depend on when they are worked out, so proposing twice is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any

from events.times import format_time
from services.projections.scoring import rhythm
from services.projections.scoring.money import plain
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.signal_state import (
    BROKEN,
    CLEARED,
    KINDS,
    RAISED,
    SILENCE,
    UNRESOLVED,
    Candidate,
    Missed,
    Open,
    SignalState,
    candidates,
    is_missed,
    signal_id,
)
from services.projections.scoring.times import HOUR, in_words, instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from services.projections.scoring.policy import Policy

MADE_UP = "Simulated data: "
BETTER = {
    SILENCE: "The customer is no longer silent for longer than their own pace.",
    UNRESOLVED: "No complaint is open beyond its time any more.",
    BROKEN: "The promise was kept, agreed anew, or is long past.",
}
GENERIC = "The reason is in the event that raised it."


@dataclass(frozen=True, slots=True)
class Proposal:
    """An event to record. `id` is its event id."""

    id: str
    stream: UUID | None
    type: str
    occurred_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal open at an instant. `alerted`: it was raised; `missed`: it never will be."""

    signal_id: str
    kind: str
    due_at: datetime
    raised_at: datetime | None
    reason: str
    contributing: tuple[str, ...]
    alerted: bool
    missed: bool
    value_at_stake: Mapping[str, str] | None
    playbook: str | None
    policy_version: str


def timers(state: SignalState, policy: Policy | None = None) -> dict[str, datetime]:
    """When to ask for proposals next: `kind` to raise it, `kind.clear` to clear an open one.

    What was missed, and what waits for an event rather than for time, has no timer.
    """
    policy = policy or load_policy()
    pending = _pending(state, policy)
    found: dict[str, datetime] = {}
    for kind in KINDS:
        held = state.open.get(kind)
        mine = [each for each in pending if each.kind == kind]
        if held is None:
            live = (each.due for each in mine if not is_missed(each, policy))
            due = min(live, default=inf)
            if due < inf:
                found[kind] = instant(due)
        else:
            clears = _clears_at(state, kind, held, mine, policy)
            if clears < inf:
                found[f"{kind}.clear"] = instant(clears)
    return found


def proposals(
    state: SignalState, as_of: datetime, policy: Policy | None = None, stream: UUID | None = None
) -> list[Proposal]:
    """Every signal event that should be recorded by `as_of`; none that already is."""
    policy = policy or load_policy()
    now = as_of.timestamp()
    pending = _pending(state, policy)
    found: list[Proposal] = []
    for kind in KINDS:
        held = state.open.get(kind)
        mine = [each for each in pending if each.kind == kind]
        if held is None:
            due = [each for each in mine if each.due <= now and not is_missed(each, policy)]
            if due:
                first = min(due, key=lambda each: (each.due, each.anchor))
                found.append(_raise(state, first, policy, stream))
        else:
            clears = _clears_at(state, kind, held, mine, policy)
            if clears <= now:
                found.append(_clear(kind, held, clears, policy, stream))
    return found


def signals(state: SignalState, as_of: datetime, policy: Policy | None = None) -> list[Signal]:
    """What is open at `as_of`: what was raised and not cleared, and what crossed unraised."""
    policy = policy or load_policy()
    now = as_of.timestamp()
    found: list[Signal] = []
    known = _pending(state, policy)
    for kind, held in state.open.items():
        mine = (each for each in known if _is_of(state, each, held))
        found.append(_raised(state, kind, held, next(mine, None), policy))
    for kind in KINDS:
        crossed = [each for each in known if each.kind == kind and each.due <= now < each.ends]
        if crossed and kind not in state.open:
            first = min(crossed, key=lambda each: (each.due, each.anchor))
            found.append(_unraised(state, first, policy))
    return sorted(found, key=lambda signal: (signal.due_at, signal.kind))


def _is_of(state: SignalState, candidate: Candidate, held: Open) -> bool:
    """True if the candidate is why `held` is open: it raised it, or its purchases came back."""
    if candidate.kind == SILENCE and state.fell_back is not None:
        return state.open.get(SILENCE) == held
    return signal_id(state, candidate) == held.signal_id


def missed(state: SignalState) -> dict[str, Missed]:
    """By kind, how many crossings ended without anybody having been told."""
    return state.missed


def _pending(state: SignalState, policy: Policy) -> list[Candidate]:
    """Candidates whose signal was not cleared already. A missed one still keeps one open."""
    found = list(candidates(state, policy))
    if not state.done:
        return found
    return [each for each in found if signal_id(state, each) not in state.done]


def _clears_at(
    state: SignalState, kind: str, held: Open, mine: list[Candidate], policy: Policy
) -> float:
    """When an open signal is cleared: things are better, and it has stood its minimum time."""
    at = max(held.raised + policy.signals.minimum_dwell, state.eased.get(kind, held.raised))
    for each in sorted(mine, key=lambda each: each.holds_from):
        if each.holds_from <= at:
            at = max(at, each.ends)
    return at


def _raise(
    state: SignalState, candidate: Candidate, policy: Policy, stream: UUID | None
) -> Proposal:
    key = signal_id(state, candidate)
    due = instant(candidate.due)
    data: dict[str, Any] = {
        "signal_id": key,
        "kind": candidate.kind,
        "reason": _reason(state, candidate, policy),
        "due_at": format_time(due),
        "contributing": list(candidate.events),
        "playbook": policy.signals.playbooks[candidate.kind],
        "policy_version": policy.version,
    }
    stake = value_at_stake(state, policy)
    if stake is not None:
        data["value_at_stake"] = stake
    if candidate.simulated:
        data["simulated"] = True
    return Proposal(f"{key}/raised", stream, RAISED, due, data)


def _clear(kind: str, held: Open, clears: float, policy: Policy, stream: UUID | None) -> Proposal:
    data = {
        "signal_id": held.signal_id,
        "kind": kind,
        "reason": BETTER[kind],
        "policy_version": policy.version,
    }
    return Proposal(f"{held.signal_id}/cleared", stream, CLEARED, instant(clears), data)


def _raised(
    state: SignalState, kind: str, held: Open, candidate: Candidate | None, policy: Policy
) -> Signal:
    return Signal(
        signal_id=held.signal_id,
        kind=kind,
        due_at=instant(held.due),
        raised_at=instant(held.raised),
        reason=GENERIC if candidate is None else _reason(state, candidate, policy),
        contributing=() if candidate is None else candidate.events,
        alerted=True,
        missed=False,
        value_at_stake=value_at_stake(state, policy),
        playbook=policy.signals.playbooks.get(kind),
        policy_version=policy.version,
    )


def _unraised(state: SignalState, candidate: Candidate, policy: Policy) -> Signal:
    return Signal(
        signal_id=signal_id(state, candidate),
        kind=candidate.kind,
        due_at=instant(candidate.due),
        raised_at=None,
        reason=_reason(state, candidate, policy),
        contributing=candidate.events,
        alerted=False,
        missed=is_missed(candidate, policy),
        value_at_stake=value_at_stake(state, policy),
        playbook=policy.signals.playbooks[candidate.kind],
        policy_version=policy.version,
    )


def value_at_stake(state: SignalState, policy: Policy) -> dict[str, str] | None:
    """What the customer would spend over the policy's horizon at their own pace, net of returns.

    None without a purchase, with two currencies, or if more came back than was bought.
    """
    held = state.rhythm
    if not held.days or len(held.spend) != 1:
        return None
    ((currency, spend),) = held.spend.items()
    times = policy.signals.stake_horizon_days / rhythm.expected_gap(held, policy.pace)
    value = spend.total / held.days * Decimal(str(round(times, 6)))
    if value <= 0:
        return None
    return {"amount": plain(value.quantize(Decimal("0.01"))), "currency": currency}


def _reason(state: SignalState, candidate: Candidate, policy: Policy) -> str:
    words = _words(state, candidate, policy)
    return f"{MADE_UP}{words}" if candidate.simulated else words


def _words(state: SignalState, candidate: Candidate, policy: Policy) -> str:
    if candidate.kind == SILENCE:
        gap = rhythm.expected_gap(state.rhythm, policy.pace)
        days = (candidate.due - state.rhythm.last_at) / (24 * HOUR)
        return (
            f"No purchase since {in_words(state.rhythm.last_at)}; this customer is expected to "
            f"buy every {gap:.0f} days, and {days:.0f} days have passed."
        )
    if candidate.kind == UNRESOLVED:
        complaint = state.complaints[candidate.key]
        hours = policy.signals.complaint_due[complaint.severity] / HOUR
        return (
            f"A complaint of {complaint.severity} severity is not resolved; it was opened on "
            f"{in_words(complaint.opened)} and had {hours:.0f} hours."
        )
    promise = state.promises[candidate.key]
    if promise.broken is not None:
        return f"A promise was broken on {in_words(promise.broken)}."
    due = candidate.due if promise.due is None else promise.due
    return f"A promise was due on {in_words(due)} and is neither kept nor broken."
