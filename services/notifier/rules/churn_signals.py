"""A churn signal was raised: somebody should act. It was cleared: no longer. Nothing here does I/O.

Covers every kind of signal (`silence`, `complaint_unresolved`, `promise_broken` and any to come):
why, what is at stake and what to do travel in the signal itself. A signal that says it was missed
or late is history found out afterwards, and is never sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.notifier.alert import Alert, Rule, Withdrawal, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact

NAME_LIMIT = 100
SENTENCE_LIMIT = 520

MADE_UP = "Simulated data: "
"""How a reason begins that rests on a simulator's events, as whoever raises the signal has it."""

REASONS = {
    "silence": "The customer has been silent for longer than their own rhythm explains.",
    "complaint_unresolved": "A complaint is open for longer than it should be.",
    "promise_broken": "A promise to the customer was not kept.",
}
"""Said when a signal brings no reason of its own."""


def rule() -> Rule:
    """Offer this file's rule to discovery."""
    return Rule(
        name="churn_signals",
        sentence="A raised churn signal is told; a cleared one is not told any more.",
        react=react,
    )


def react(fact: Fact) -> Alert | Withdrawal | None:
    """Say what this fact means to whoever looks after the customer. Never raises."""
    match fact.type:
        case "churn_signal.raised":
            return None if _is_history(fact.data) else _alert(fact)
        case "churn_signal.cleared":
            return _withdrawal(fact)
        case _:
            return None


def _is_history(data: Mapping[str, Any]) -> bool:
    return data.get("missed") is True or data.get("late") is True or data.get("alerted") is False


def _alert(fact: Fact) -> Alert:
    data = fact.data
    kind = plain(data.get("kind"), NAME_LIMIT) or "unnamed"
    reason = _reason(fact, kind)
    playbook = plain(data.get("playbook"), NAME_LIMIT) or None
    advice = f" Suggested playbook: {playbook}." if playbook else ""
    return Alert(
        type="churn_signal.alert",
        topic=plain(data.get("signal_id"), NAME_LIMIT) or f"event {fact.position}",
        policy_version=plain(data.get("policy_version"), NAME_LIMIT) or "unversioned",
        line=f"{kind.replace('_', ' ')}: {reason}{advice}",
        data={
            "signal_id": plain(data.get("signal_id"), NAME_LIMIT) or None,
            "kind": kind,
            "reason": reason,
            "playbook": playbook,
            "due_at": plain(data.get("due_at"), NAME_LIMIT) or None,
            "value_at_stake": _money(data.get("value_at_stake")),
            "simulated": reason.startswith(MADE_UP),
        },
    )


def _reason(fact: Fact, kind: str) -> str:
    """The signal's own sentence, or its kind's; one that rests on made-up data says so."""
    own = plain(fact.data.get("reason"), SENTENCE_LIMIT)
    words = own or REASONS.get(kind, "A churn signal was raised.")
    made_up = fact.simulated or fact.data.get("simulated") is True
    return f"{MADE_UP}{words}" if made_up and not words.startswith(MADE_UP) else words


def _withdrawal(fact: Fact) -> Withdrawal | None:
    topic = plain(fact.data.get("signal_id"), NAME_LIMIT)
    if not topic:
        return None
    reason = plain(fact.data.get("reason"), SENTENCE_LIMIT)
    return Withdrawal(topic, reason or "The signal was cleared.")


def _money(value: object) -> dict[str, str] | None:
    match value:
        case {"amount": str(amount), "currency": str(currency)}:
            return {"amount": plain(amount, NAME_LIMIT), "currency": plain(currency, NAME_LIMIT)}
        case _:
            return None
