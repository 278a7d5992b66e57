"""A customer's wallet shares, signals and timeline, made ready for the template. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from services.projections.web.words import (
    as_mapping,
    day,
    decimal_or_none,
    instant_or_none,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

STATUSES = {
    "ok": ("Enough is known", "What the policy needs at the least is known and recent."),
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


FLAGS = {
    "clamped": "They bought more from us than they said they spend in all, so it is shown as 100%.",
    "prorated": "The time they spoke of is not over yet: only its part so far is counted.",
    "returns_exceed": "More came back than was bought, so it is shown as 0%.",
}
"""A remark on a wallet share, in words."""


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
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Signal:
    """A churn signal that is open at the instant. `told` says whether anybody was alerted."""

    kind: str
    told: str
    reason: str
    due_at: datetime | None
    value_at_stake: Mapping[str, Any]
    playbook: str
    policy_version: str
    contributing: int


@dataclass(frozen=True, slots=True)
class Missed:
    """How often a kind of signal was over before anybody could be told, and when it last was."""

    kind: str
    count: int
    last: datetime | None


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
        remarks=[FLAGS.get(flag, plain(flag)) for flag in item.get("flags") or ()],
    )


def _evidence(piece: object) -> str:
    fields = as_mapping(piece)
    return str(fields.get("sentence") or fields.get("event_id") or piece)


def read_signals(answer: Mapping[str, Any]) -> list[Signal]:
    """The open signals of a signals answer, as they came."""
    return [_signal(item) for item in answer.get("items", ()) if item.get("status") == "open"]


def read_missed(answer: Mapping[str, Any]) -> list[Missed]:
    """What a signals answer says of signals that came to nobody's notice in time, by kind."""
    return [
        Missed(plain(kind), int(each["count"]), instant_or_none(each.get("last")))
        for kind, each in sorted(as_mapping(answer.get("missed")).items())
    ]


def _signal(item: Mapping[str, Any]) -> Signal:
    return Signal(
        kind=plain(item.get("kind", "signal")),
        told=_told(item),
        reason=str(item.get("reason") or ""),
        due_at=instant_or_none(item.get("due_at")),
        value_at_stake=as_mapping(item.get("value_at_stake")),
        playbook=plain(item.get("playbook") or ""),
        policy_version=str(item.get("policy_version") or ""),
        contributing=len(item.get("contributing") or ()),
    )


def _told(item: Mapping[str, Any]) -> str:
    if item.get("missed"):
        return "Nobody was alerted: it was due before its facts were recorded here."
    if item.get("alerted"):
        due = item.get("due_at")
        return f"Alerted; due since {day(due)}." if due else "Alerted."
    return "Nobody has been alerted yet."


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
