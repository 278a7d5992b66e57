"""Folded states and scores as the plain mappings of the contract. Pure.

Points of an explanation are decimal strings, money too; a score's value, its groups and shares are
JSON numbers with their three places. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from events.times import format_time
from services.projections.asking import short_label
from services.projections.scoring.times import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from events.identifiers import Identifier
    from services.projections.read_models.customer_directory.fold import Entry
    from services.projections.scoring.explanation import Contribution
    from services.projections.scoring.health import Change, Health
    from services.projections.scoring.rhythm import Statistics
    from services.projections.scoring.signal_state import Missed
    from services.projections.scoring.signals import Signal
    from services.projections.scoring.wallet import Share

SHOWN_TAIL = 2
"""Characters at the end of a long identifier that stay readable when it is masked."""
LONG_ENOUGH = 8
BASES = ("measured", "observed", "ranked", "modelled", "unknown")
"""What a wallet share can rest on, the surest first."""
NO_SHARE: Mapping[str, Any] = {
    "category": None,
    "basis": "unknown",
    "value": None,
    "low": None,
    "high": None,
}
"""A customer in a list of whose wallet nothing is known."""


def stamp(as_of: datetime, position: int) -> dict[str, Any]:
    """What every answer says of itself: the instant it tells of, and how far it is folded."""
    return {"as_of": format_time(as_of), "position": position}


def time_or_none(moment: datetime | None) -> str | None:
    """RFC 3339, or None."""
    return None if moment is None else format_time(moment)


def number(value: Decimal | float | None) -> float | None:
    """A JSON number, or None."""
    return None if value is None else float(value)


def customer_item(customer: UUID, entry: Entry) -> dict[str, Any]:
    """A customer of the directory: who, since when, how much. Nothing personal."""
    spend = entry.main_spend
    return {
        "id": str(customer),
        "customer": str(customer),
        "label": short_label(str(customer)),
        "first_seen": time_or_none(entry.first_seen),
        "last_seen": time_or_none(entry.last_seen),
        "events": entry.events,
        "purchases": entry.purchases,
        "last_purchase": time_or_none(entry.last_purchase),
        "last_contact": time_or_none(entry.last_contact),
        "spend": spend and {"amount": f"{spend[1]:f}", "currency": spend[0]},
    }


def masked(identifiers: Iterable[Identifier]) -> list[str]:
    """Identifiers that tell the kind, and of a long one the last two characters."""
    return sorted(
        f"{identifier.kind}:•••"
        + (identifier.value[-SHOWN_TAIL:] if len(identifier.value) >= LONG_ENOUGH else "")
        for identifier in identifiers
    )


def health_item(health: Health) -> dict[str, Any]:
    """A score."""
    return {
        "value": number(health.value),
        "status": health.status,
        "coverage": number(health.coverage),
        "groups": {name: number(points) for name, points in health.groups.items()},
        "policy_version": health.policy_version,
    }


def contribution_item(line: Contribution) -> dict[str, Any]:
    """A line of an explanation; an event's line says its source, and whether it was made up."""
    return {
        "kind": line.kind,
        "event_id": line.event_id,
        "source": line.source,
        "type": line.type,
        "rule": line.rule,
        "group": line.group,
        "points": f"{line.points:f}",
        "occurred_at": time_or_none(line.occurred_at),
        "sentence": line.sentence,
        "simulated": line.simulated,
    }


def change_item(change: Change) -> dict[str, Any]:
    """The difference of two scores and its split, all None where either has no value."""
    split = change.split
    return {
        "from": health_item(change.start),
        "to": health_item(change.end),
        "change": None if change.change is None else f"{change.change:f}",
        "split": None if split is None else {name: f"{part:f}" for name, part in split.items()},
    }


def share_item(share: Share) -> dict[str, Any]:
    """A wallet share of one category."""
    return {
        "category": share.category,
        "basis": share.basis,
        "value": number(share.value),
        "low": number(share.low),
        "high": number(share.high),
        "level": number(share.level),
        "evidence": list(share.evidence),
        "next_question": share.next_question,
        "flags": list(share.flags),
    }


def best_share(shares: Sequence[Share]) -> dict[str, Any]:
    """The one share a list shows: of the best basis, then the narrowest interval, then by name."""
    if not shares:
        return dict(NO_SHARE)
    best = min(shares, key=_confidence)
    item = share_item(best)
    return {name: item[name] for name in NO_SHARE}


def _confidence(share: Share) -> tuple[int, float, str]:
    width = float(share.high - share.low) if share.high is not None and share.low is not None else 1
    return (BASES.index(share.basis), width, share.category)


def signal_item(signal: Signal) -> dict[str, Any]:
    """A churn signal that is open at the asked instant; `missed`: nobody was or will be told."""
    return {
        "signal_id": signal.signal_id,
        "kind": signal.kind,
        "status": "open",
        "reason": signal.reason,
        "due_at": format_time(signal.due_at),
        "raised_at": time_or_none(signal.raised_at),
        "alerted": signal.alerted,
        "missed": signal.missed,
        "contributing": list(signal.contributing),
        "value_at_stake": signal.value_at_stake,
        "playbook": signal.playbook,
        "policy_version": signal.policy_version,
    }


def missed_item(missed: Mapping[str, Missed]) -> dict[str, Any]:
    """By kind, how many crossings are over of which nobody was told, and when the last was."""
    return {
        kind: {"count": each.count, "last": format_time(instant(each.last))}
        for kind, each in sorted(missed.items())
    }


def rhythm_item(statistics: Statistics | None, due: datetime | None) -> dict[str, Any]:
    """What is known of a customer's purchases: times in weeks, see scoring/rhythm.py."""
    known: Mapping[str, Any] = {} if statistics is None else statistics._asdict()
    mean = known.get("mean_repeat_spend")
    return {
        "x": known.get("x"),
        "t_x": known.get("t_x"),
        "T": known.get("T"),
        "mean_repeat_spend": mean and {"amount": f"{mean.value:f}", "currency": mean.currency},
        "silence_due": time_or_none(due),
    }


def timeline_item(row: Any) -> dict[str, Any]:
    """A row of the timeline (see its table.sql)."""
    return {
        "position": row.position,
        "event_id": row.event_id,
        "type": row.type,
        "schema": row.schema,
        "version": row.version,
        "source": row.source,
        "simulated": row.simulated,
        "occurred_at": format_time(row.occurred_at),
        "recorded_at": format_time(row.recorded_at),
        "sentence": row.sentence,
    }
