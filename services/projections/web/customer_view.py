"""A customer's wallet shares, signals and timeline, made ready for the template. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from services.projections.web.words import (
    as_mapping,
    decimal_or_none,
    instant_or_none,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

STATUSES = {
    "ok": ("Enough is known", "The policy's inputs are there and recent."),
    "insufficient_data": ("Too little is known", "There is not enough history for a score yet."),
    "stale_input": ("Old input", "A source this score rests on has been silent for too long."),
}
"""Health status -> how sure that is, short and long."""

BASES = {
    "measured": "They told us what they spend in all",
    "observed": "Estimated from purchases elsewhere that we know of",
    "ranked": "Estimated from how they rank us among others",
    "modelled": "Modelled from customers like them: wide by nature",
    "unknown": "Nothing recorded tells what they spend elsewhere",
}
"""Basis of a wallet share -> what it rests on."""


@dataclass(frozen=True, slots=True)
class Share:
    """A wallet share of one category. Shares and level are fractions 0..1."""

    category: str
    basis: str
    rests_on: str
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    level: Decimal | None
    evidence: Sequence[str]
    next_question: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A churn signal. `state` is open, missed or closed."""

    kind: str
    state: str
    reason: str
    due_at: datetime | None
    raised_at: datetime | None
    value_at_stake: Mapping[str, Any]
    playbook: str
    policy_version: str
    contributing: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact in the timeline."""

    position: int
    type: str
    source: str
    simulated: bool
    occurred_at: datetime | None
    recorded_at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Month:
    """The facts of one month, newest first."""

    title: str
    entries: Sequence[Entry]


def read_shares(answer: Mapping[str, Any]) -> list[Share]:
    """The items of a wallet-share answer, known ones first."""
    shares = [_share(item) for item in answer.get("items", ())]
    return sorted(shares, key=lambda share: (share.value is None, share.category))


def _share(item: Mapping[str, Any]) -> Share:
    basis = str(item.get("basis", "unknown"))
    return Share(
        category=str(item.get("category") or "everything"),
        basis=basis,
        rests_on=BASES.get(basis, plain(basis)),
        value=decimal_or_none(item.get("value")),
        low=decimal_or_none(item.get("low")),
        high=decimal_or_none(item.get("high")),
        level=decimal_or_none(item.get("level")),
        evidence=[_evidence(piece) for piece in item.get("evidence") or ()],
        next_question=str(item.get("next_question") or ""),
    )


def _evidence(piece: object) -> str:
    fields = as_mapping(piece)
    return str(fields.get("sentence") or fields.get("event_id") or piece)


def read_signals(answer: Mapping[str, Any]) -> list[Signal]:
    """The items of a signals answer: open ones first, then missed, then closed."""
    order = {"open": 0, "missed": 1, "closed": 2}
    signals = [_signal(item) for item in answer.get("items", ())]
    return sorted(signals, key=lambda signal: order[signal.state])


def _signal(item: Mapping[str, Any]) -> Signal:
    return Signal(
        kind=plain(item.get("kind", "signal")),
        state=_state(item),
        reason=str(item.get("reason") or ""),
        due_at=instant_or_none(item.get("due_at")),
        raised_at=instant_or_none(item.get("raised_at")),
        value_at_stake=as_mapping(item.get("value_at_stake")),
        playbook=plain(item.get("playbook") or ""),
        policy_version=str(item.get("policy_version") or ""),
        contributing=len(item.get("contributing") or ()),
    )


def _state(item: Mapping[str, Any]) -> str:
    if item.get("missed"):
        return "missed"
    return "open" if item.get("status") == "open" else "closed"


def read_timeline(answer: Mapping[str, Any]) -> list[Month]:
    """The items of a timeline answer under the month they happened in."""
    entries = [
        Entry(
            position=int(item["position"]),
            type=str(item["type"]),
            source=str(item["source"]),
            simulated=bool(item.get("simulated")),
            occurred_at=instant_or_none(item["occurred_at"]),
            recorded_at=instant_or_none(item.get("recorded_at")),
            sentence=str(item.get("sentence") or plain(item["type"])),
        )
        for item in answer.get("items", ())
    ]
    return [Month(title, list(group)) for title, group in groupby(entries, _month)]


def _month(entry: Entry) -> str:
    return f"{entry.occurred_at:%B %Y}" if entry.occurred_at else "Undated"
