"""What a rule may say about a fact, and what is then sent. Values only: no clock, no I/O.

    a fact -> a rule -> Alert        somebody should hear of it
                     -> Withdrawal   what was said about this topic is over
                     -> None         nothing to say

An alert holds no personal data: a customer is a random UUID, and sentences come from rules.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from events.facts import Fact

ALERTS = UUID("6f0f3b6e-6a51-5d0b-9b58-0f6f1c1e7a55")
"""The namespace of alert ids. Changing it would send every alert again under another id."""

ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something somebody should hear of.

    `type` names the message (`churn_signal.alert`), `topic` what it is about, so that a later
    `Withdrawal` of the same topic for the same customer supersedes it. `line` is one plain
    sentence or two; `data` is the message's JSON, to which customer and alert id are added.
    """

    type: str
    topic: str
    policy_version: str
    line: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What was said about `topic` is over; an alert not yet sent is not sent any more."""

    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One file of `rules/`: its name, one sentence about it, and the pure reaction itself.

    `react` must not raise, whatever is in the fact; one that does is noted and asked again later.
    """

    name: str
    sentence: str
    react: Callable[[Fact], Alert | Withdrawal | None]


def alert_id(fact: Fact, rule: str, policy_version: str) -> UUID:
    """Name the alert of this event, rule and policy version: the same for ever, on any machine.

    An event is its source and its id; JSON keeps the four parts from running into each other.
    """
    parts = (fact.source, fact.event_id, rule, policy_version)
    return uuid5(ALERTS, orjson.dumps(parts).decode())


def message_body(alert: Alert, fact: Fact, rule: str) -> bytes:
    """Write the message as it is sent and signed: `{"type", "timestamp", "data"}`, UTF-8 JSON.

    `timestamp` is when the cause occurred, so every attempt sends the same bytes.
    """
    data = {
        **alert.data,
        "alert_id": str(alert_id(fact, rule, alert.policy_version)),
        "customer": str(fact.stream),
        "policy_version": alert.policy_version,
        "position": fact.position,
        "rule": rule,
    }
    message = {"type": alert.type, "timestamp": fact.occurred_at, "data": data}
    return orjson.dumps(message, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


def plain(value: object, limit: int) -> str:
    """Return `value` as one line of at most `limit` characters, or "" if it is no text.

    Control and formatting characters (an escape sequence for a terminal, a line break, a change
    of writing direction) become spaces; runs of spaces become one.
    """
    if not isinstance(value, str):
        return ""
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS
