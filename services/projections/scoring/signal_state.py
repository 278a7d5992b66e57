"""What must be remembered of a customer to know which churn signals are open or due? Pure.

A signal has three ways to begin: silence longer than the customer's own pace, a complaint not
resolved in time, a promise past its date or broken. What could raise one is a `Candidate`. A
crossing that was already past by more than the policy's grace when its facts were recorded is
missed: counted and shown, never raised. That reads `recorded_at`, so a replay says the same.

Order matters. Bounded: the newest complaints, promises and cleared signals are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

import orjson

from services.projections.scoring import complaints, orders, promises, rhythm
from services.projections.scoring.rhythm import NO_PURCHASES, Rhythm
from services.projections.scoring.times import DAY, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from events.facts import Fact
    from services.projections.scoring.policy import Policy

NAMESPACE = UUID("6f0f3c0e-7d5b-5c56-9c4e-3d1f0a6f1c55")
"""Signal ids are uuid5 of this and `stream/kind/anchor`."""
RAISED = "churn_signal.raised"
CLEARED = "churn_signal.cleared"
GONE = frozenset({"customer.erased", "suppression.set"})
"""Who is erased, or not to be recorded, is not to be won back; whoever returns begins anew."""
SILENCE = "silence"
UNRESOLVED = "complaint_unresolved"
BROKEN = "promise_broken"
KINDS = (SILENCE, UNRESOLVED, BROKEN)
KEPT_COMPLAINTS = 16
KEPT_PROMISES = 32
KEPT_DONE = 16


class Complaint(NamedTuple):
    """A complaint; `due` is when it must be resolved by, None once it is."""

    opened: float
    due: float | None
    told: float
    event_id: str
    severity: str
    simulated: bool


class Promise(NamedTuple):
    """A promise not kept yet. `due` is None if only its breaking is known."""

    due: float | None
    broken: float | None
    told: float
    events: tuple[str, ...]
    simulated: bool


class FellBack(NamedTuple):
    """An order came back wholly, and nobody could know before: the silence is long from `since`.

    `event_id` names the return that made it count from an earlier purchase, empty if none did.
    """

    since: float
    event_id: str


class Open(NamedTuple):
    """A signal that was raised and not cleared."""

    signal_id: str
    raised: float
    due: float


@dataclass(frozen=True, slots=True)
class Missed:
    """How many crossings nobody was told of, and when the last was."""

    count: int
    last: float


class SignalState(NamedTuple):
    """What is known. `done`: cleared signals, newest last. `fell_back`: since the last purchase.

    `told` is when the fact that last moved the silence was recorded, `eased` when a kind last got
    better.
    """

    stream: str
    rhythm: Rhythm
    told: float
    simulated: bool
    complaints: dict[str, Complaint]
    promises: dict[str, Promise]
    open: dict[str, Open]
    eased: dict[str, float]
    missed: dict[str, Missed]
    done: tuple[str, ...]
    fell_back: FellBack | None


class Candidate(NamedTuple):
    """What could raise a signal of `kind` at `due`.

    It keeps an open one up from `holds_from` until `ends`. `key` is the complaint or promise.
    """

    kind: str
    key: str
    anchor: str
    due: float
    holds_from: float
    ends: float
    told: float
    events: tuple[str, ...]
    simulated: bool


NO_SIGNALS = SignalState(
    stream="",
    rhythm=NO_PURCHASES,
    told=0.0,
    simulated=False,
    complaints={},
    promises={},
    open={},
    eased={},
    missed={},
    done=(),
    fell_back=None,
)


def signal_id(state: SignalState, candidate: Candidate) -> str:
    """The id of the signal that this candidate raises: the same however often it is worked out."""
    return str(uuid5(NAMESPACE, f"{state.stream}/{candidate.kind}/{candidate.anchor}"))


def candidates(state: SignalState, policy: Policy) -> Iterator[Candidate]:
    """Everything that could raise a signal, now or later."""
    if (silent := _silence(state, policy)) is not None:
        yield silent
    for key, each in state.complaints.items():
        if each.due is not None:
            yield _unresolved(key, each, each.due)
    for key, each in state.promises.items():
        yield _broken(key, each, policy)


def _silence(state: SignalState, policy: Policy) -> Candidate | None:
    due = rhythm.due_seconds(state.rhythm, policy.pace)
    if due is None:
        return None
    gap = rhythm.expected_gap(state.rhythm, policy.pace)
    low = state.rhythm.last_at + policy.signals.silence_clear_factor * gap * DAY
    last = rhythm.last_event(state.rhythm)
    anchor, events = rhythm.anchor(state.rhythm), () if last is None else (last,)
    if state.fell_back is not None:
        due = max(due, state.fell_back.since)
        if back := state.fell_back.event_id:
            anchor, events = f"{anchor}/{back}", (*events, back)
    return Candidate(
        kind=SILENCE,
        key="",
        anchor=anchor,
        due=due,
        holds_from=min(low, due),
        ends=inf,
        told=state.told,
        events=events,
        simulated=state.simulated,
    )


def _unresolved(key: str, each: Complaint, due: float) -> Candidate:
    anchor = f"{key}/{each.event_id}"
    events = (each.event_id,)
    return Candidate(UNRESOLVED, key, anchor, due, due, inf, each.told, events, each.simulated)


def _broken(key: str, each: Promise, policy: Policy) -> Candidate:
    overdue = inf if each.due is None else each.due + policy.signals.promise_grace
    due = overdue if each.broken is None else min(overdue, each.broken)
    ends = due + policy.signals.promise_expires
    anchor = f"{key}/{each.events[0]}"
    return Candidate(BROKEN, key, anchor, due, due, ends, each.told, each.events, each.simulated)


def is_missed(candidate: Candidate, policy: Policy) -> bool:
    """True if it had crossed long before anybody here could know."""
    return candidate.due + policy.signals.late_grace < candidate.told


def stepper(policy: Policy) -> Callable[[SignalState, Fact], SignalState]:
    """The fold step under `policy`."""
    return lambda state, fact: step(state, fact, policy)


def step(state: SignalState, fact: Fact, policy: Policy) -> SignalState:
    """Read one fact; one that says nothing about signals leaves the very same state."""
    kind = fact.type
    if kind in orders.TYPES:
        changed = _bought(state, fact, policy)
    elif kind in complaints.TYPES:
        changed = _complained(state, fact, policy)
    elif kind in promises.TYPES:
        changed = _promised(state, fact, policy)
    elif kind == RAISED:
        changed = _raised(state, fact)
    elif kind == CLEARED:
        changed = _cleared(state, fact)
    elif kind in GONE:
        changed = NO_SIGNALS
    else:
        return state
    if changed is state or changed.stream:
        return changed
    return changed._replace(stream=str(fact.stream))


def _bought(state: SignalState, fact: Fact, policy: Policy) -> SignalState:
    moved = rhythm.step(state.rhythm, fact)
    if moved is state.rhythm:
        return state
    at = fact.occurred_at.timestamp()
    told, eased, fell_back = state.told, state.eased, state.fell_back
    if moved[:4] != state.rhythm[:4]:
        told = max(told, fact.recorded_at.timestamp())
        if fact.type == orders.RETURN:
            fell_back = _fell_back(state, moved, fact, policy)
    if fact.type == orders.PURCHASE:
        due = rhythm.due_seconds(state.rhythm, policy.pace)
        if due is not None and due <= at:
            state = _left_behind(state, _silence(state, policy), at)
        eased = {**eased, SILENCE: max(at, eased.get(SILENCE, at))}
        fell_back = None
    simulated = state.simulated or fact.simulated
    begun, ended = state[4:7], state[8:10]
    return SignalState(state.stream, moved, told, simulated, *begun, eased, *ended, fell_back)


def _fell_back(state: SignalState, moved: Rhythm, fact: Fact, policy: Policy) -> FellBack:
    """An order came back wholly: what was long already stays so, anything else is from now on."""
    since = fact.occurred_at.timestamp()
    if (silent := _silence(state, policy)) is not None:
        since = min(since, silent.due)
    if moved.last_at < state.rhythm.last_at:
        return FellBack(since, fact.event_id)
    return FellBack(since, "" if state.fell_back is None else state.fell_back.event_id)


def _left_behind(state: SignalState, candidate: Candidate | None, at: float) -> SignalState:
    """Something got better at `at`; if it had crossed before and nobody was told, it was missed."""
    if candidate is None or candidate.due > at or candidate.kind in state.open:
        return state
    if state.done and signal_id(state, candidate) in state.done:
        return state
    was = state.missed.get(candidate.kind)
    count = Missed(was.count + 1 if was else 1, candidate.due)
    return state._replace(missed={**state.missed, candidate.kind: count})


def _complained(state: SignalState, fact: Fact, policy: Policy) -> SignalState:
    key = fact.data.get("complaint_id")
    if not isinstance(key, str):
        return state
    known = state.complaints.get(key)
    if fact.type == complaints.RESOLVED and known is not None and known.due is not None:
        at = fact.occurred_at.timestamp()
        state = _left_behind(state, _unresolved(key, known, known.due), at)
        kept = {**state.complaints, key: known._replace(due=None)}
        return state._replace(complaints=kept, eased={**state.eased, UNRESOLVED: at})
    if fact.type in (complaints.OPENED, complaints.REOPENED):
        if known is not None and (known.due is not None or fact.type == complaints.OPENED):
            return state
        kept = {**state.complaints, key: _complaint(fact, known, policy)}
        if len(kept) > KEPT_COMPLAINTS:
            kept.pop(min(kept, key=lambda each: (kept[each].due is not None, kept[each].opened)))
        return state._replace(complaints=kept)
    return state


def _complaint(fact: Fact, known: Complaint | None, policy: Policy) -> Complaint:
    rules = policy.signals
    said = fact.data.get("severity") if known is None else known.severity
    severity = rules.complaint_severity_unsaid
    if isinstance(said, str) and said in rules.complaint_due:
        severity = said
    at = fact.occurred_at.timestamp()
    due = at + rules.complaint_due[severity]
    told = fact.recorded_at.timestamp()
    return Complaint(at, due, told, fact.event_id, severity, fact.simulated)


def _promised(state: SignalState, fact: Fact, policy: Policy) -> SignalState:
    key = promises.promise_id(fact)
    known = state.promises.get(key)
    if not key or (known is None and fact.type in (promises.KEPT, promises.RENEGOTIATED)):
        return state
    at = fact.occurred_at.timestamp()
    if known is not None and fact.type in (promises.KEPT, promises.RENEGOTIATED):
        state = _left_behind(state, _broken(key, known, policy), at)
        state = state._replace(eased={**state.eased, BROKEN: at})
    kept = {each: held for each, held in state.promises.items() if each != key}
    if fact.type == promises.KEPT:
        return state._replace(promises=kept)
    promise = _promise(fact, known, at)
    if promise is known or promise is None:
        return state
    kept[key] = promise
    if len(kept) > KEPT_PROMISES:
        kept.pop(min(kept, key=lambda each: (_broken(each, kept[each], policy).due, each)))
    return state._replace(promises=kept)


def _promise(fact: Fact, known: Promise | None, at: float) -> Promise | None:
    told = fact.recorded_at.timestamp()
    if fact.type == promises.BROKEN:
        if known is None:
            return Promise(None, at, told, (fact.event_id,), fact.simulated)
        if known.broken is not None:
            return known
        events = (*known.events, fact.event_id)
        told = max(told, known.told)
        return Promise(known.due, at, told, events, known.simulated or fact.simulated)
    due = read_instant(fact.data.get("due_at"))
    if due is None or (known is not None and fact.type == promises.MADE):
        return known
    return Promise(due, None, told, (fact.event_id,), fact.simulated)


def _raised(state: SignalState, fact: Fact) -> SignalState:
    kind, key = fact.data.get("kind"), fact.data.get("signal_id")
    if not isinstance(kind, str) or not isinstance(key, str):
        return state
    at = fact.occurred_at.timestamp()
    due = read_instant(fact.data.get("due_at"))
    return state._replace(open={**state.open, kind: Open(key, at, at if due is None else due)})


def _cleared(state: SignalState, fact: Fact) -> SignalState:
    kind, key = fact.data.get("kind"), fact.data.get("signal_id")
    held = state.open.get(kind) if isinstance(kind, str) else None
    if held is None or held.signal_id != key:
        return state
    rest = {each: was for each, was in state.open.items() if each != kind}
    return state._replace(open=rest, done=(*state.done, held.signal_id)[-KEPT_DONE:])


def pack(state: SignalState) -> bytes:
    """The state as canonical bytes: equal states give equal bytes."""
    return orjson.dumps(
        [
            state.stream,
            rhythm.pack(state.rhythm),
            state.told,
            state.simulated,
            {key: list(each) for key, each in state.complaints.items()},
            {key: list(each) for key, each in state.promises.items()},
            {kind: list(each) for kind, each in state.open.items()},
            state.eased,
            {kind: [each.count, each.last] for kind, each in state.missed.items()},
            state.done,
            None if state.fell_back is None else list(state.fell_back),
        ],
        option=orjson.OPT_SORT_KEYS,
    )


def unpack(packed: bytes) -> SignalState:
    """The state that `pack` made these bytes of."""
    values: list[Any] = orjson.loads(packed)
    stream, rhythm_, told, simulated, complaints_, promises_, *signals = values
    open_, eased, missed, done, fell_back = signals
    return SignalState(
        stream,
        rhythm.unpack(rhythm_),
        told,
        simulated,
        {key: Complaint(*each) for key, each in complaints_.items()},
        {
            key: Promise(due, broken, when, tuple(events), made_up)
            for key, (due, broken, when, events, made_up) in promises_.items()
        },
        {kind: Open(*each) for kind, each in open_.items()},
        eased,
        {kind: Missed(*each) for kind, each in missed.items()},
        tuple(done),
        None if fell_back is None else FellBack(*fell_back),
    )
