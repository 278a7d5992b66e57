"""Made-up histories for cases and tests: facts as a fold sees them, in a few words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from events.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ADA = UUID("ada00000-0000-4000-8000-000000000001")
"""The customer of every example."""


@dataclass(frozen=True, slots=True)
class Case:
    """Given these facts, when looked at then, this is seen. A documentation that is run."""

    title: str
    given: tuple[Fact, ...]
    when: str
    then: Mapping[str, Any]


def moment(text: str) -> datetime:
    """The instant of a date (its first moment, UTC) or of a date with time."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def fact(
    at: str, type_: str, data: Mapping[str, Any] | None = None, *, recorded: str | None = None
) -> Fact:
    """A fact of Ada at a date, recorded when it happened unless said otherwise."""
    occurred = moment(at)
    return Fact(
        position=0,
        stream=ADA,
        version=0,
        source="shop",
        event_id=f"{type_}@{occurred:%Y-%m-%dT%H:%M}",
        type=type_,
        schema="1-0-0",
        occurred_at=occurred,
        recorded_at=occurred if recorded is None else moment(recorded),
        data={} if data is None else data,
    )


def told(*facts: Fact) -> tuple[Fact, ...]:
    """The facts as the ledger would number them, in the order given."""
    return tuple(
        replace(each, position=place, version=place) for place, each in enumerate(facts, start=1)
    )


def money(amount: str, currency: str = "GBP") -> dict[str, str]:
    """An amount as event data has it."""
    return {"amount": amount, "currency": currency}


def bought(  # noqa: PLR0913 - what a case may say of a purchase, all by name
    at: str,
    amount: str = "20.00",
    *,
    order: str | None = None,
    category: str | None = "gifts",
    currency: str = "GBP",
    recorded: str | None = None,
) -> Fact:
    """A purchase of one item."""
    item = {"sku": "mug", "quantity": 1, "unit_price": money(amount, currency)}
    data = {
        "order_id": order or f"order-{at}",
        "total": money(amount, currency),
        "items": [item if category is None else {**item, "category": category}],
    }
    return fact(at, "purchase.completed", data, recorded=recorded)


def returned(at: str, amount: str, *, order: str = "unknown") -> Fact:
    """Something came back."""
    return fact(at, "purchase.returned", {"order_id": order, "total": money(amount)})


def complained(
    at: str, key: str = "c1", severity: str = "medium", *, recorded: str | None = None
) -> Fact:
    """A complaint was opened."""
    data = {"complaint_id": key, "about": "delivery", "severity": severity}
    return fact(at, "complaint.opened", data, recorded=recorded)


def resolved(at: str, key: str = "c1", outcome: str = "refunded") -> Fact:
    """A complaint was closed."""
    return fact(at, "complaint.resolved", {"complaint_id": key, "outcome": outcome})


def promised(at: str, due: str, key: str = "p1", *, recorded: str | None = None) -> Fact:
    """We promised something by a date."""
    data = {"promise_id": key, "what": "a call", "due_at": moment(due).isoformat()}
    return fact(at, "promise.made", data, recorded=recorded)


Template = tuple[str, "Mapping[str, Any]"]
"""A type and the data of one fact."""


def _templates() -> tuple[Template, ...]:
    orders = [{"order_id": name, "total": money("20.00")} for name in ("a", "b")]
    gifts = {"sku": "mug", "quantity": 2, "unit_price": money("4.35"), "category": "gifts"}
    toys = {**gifts, "category": "toys", "quantity": 0.5}
    mixed = {"order_id": "m", "total": money("10.00", "EUR"), "items": [gifts, toys]}
    complaint = {"complaint_id": "c1", "severity": "high"}
    promise = {"promise_id": "p1", "due_at": "2011-06-01T00:00:00Z"}
    renewed = {**promise, "due_at": "2012-01-01T00:00:00Z"}
    delivery = {"order_id": "a", "promised_at": "2011-02-01T00:00:00Z"}
    review = {"rating_max": 5, "outside": True}
    return (
        *(("purchase.completed", order) for order in orders),
        ("purchase.completed", mixed),
        ("purchase.returned", {"order_id": "a", "total": money("20.00")}),
        ("purchase.returned", {"order_id": "b", "total": money("3.10")}),
        ("complaint.opened", complaint),
        ("complaint.opened", {"complaint_id": "c2", "severity": "low"}),
        ("complaint.responded", complaint),
        ("complaint.resolved", {**complaint, "outcome": "refunded"}),
        ("complaint.resolved", {"complaint_id": "c2", "outcome": "other", "satisfied": False}),
        ("complaint.reopened", complaint),
        ("promise.made", promise),
        ("promise.renegotiated", renewed),
        ("promise.kept", promise),
        ("promise.broken", promise),
        ("delivery.completed", {**delivery, "delivered_at": "2011-02-06T00:00:00Z"}),
        ("delivery.completed", {**delivery, "delivered_at": "2011-01-20T00:00:00Z"}),
        ("review.published", {**review, "rating": 5}),
        ("review.published", {**review, "rating": 1}),
        ("survey.answered", {"kind": "nps", "score": 2, "scale_max": 10}),
        ("contact.handled", {"interaction_id": "i", "channel": "phone", "direction": "inbound"}),
        ("campaign.sent", {"campaign_id": "k", "channel": "email"}),
        ("referral.converted", {"referral_id": "r"}),
        ("outside_purchase.observed", {"category": "gifts"}),
        ("wallet.stated", {"category": "gifts", "period": "year", "total": money("300.00")}),
        ("wallet.stated", {"category": "toys", "period": "2011", "total": money("30", "EUR")}),
        ("brands.ranked", {"category": "gifts", "rank": 2, "brands": 3, "tied": True}),
        ("custom.happened", {"complaint_id": "c1"}),
    )


SENSIBLE = _templates()
"""Data as the schemas have it."""


def _odd_templates() -> Iterator[Template]:
    fields = sorted({key for _, data in SENSIBLE for key in data})
    sealed = {"key": "k", "sealed": "x"}
    odd: tuple[dict[str, Any], ...] = (
        {},
        dict.fromkeys(fields),
        dict.fromkeys(fields, sealed),
        dict.fromkeys(fields, "nonsense"),
        {**{name: [1, sealed] for name in fields}, "kind": "silence"},
        {**dict.fromkeys(fields, -1e308), "kind": sealed, "signal_id": 1},
    )
    signals = {"churn_signal.raised", "churn_signal.cleared"}
    for type_ in sorted({type_ for type_, _ in SENSIBLE} | signals):
        for data in odd:
            yield (type_, data)


ODD = tuple(_odd_templates())
"""Data that no schema allows; a fold still takes it."""


def history(
    drawn: Iterable[tuple[int, Template, int]], *, begin: str = "2011-01-01"
) -> tuple[Fact, ...]:
    """Facts numbered in the order given: (hours after `begin`, template, hours until recorded)."""
    start = moment(begin)
    made: list[Fact] = []
    for hours, (type_, data), delay in drawn:
        at = start + timedelta(hours=hours)
        late = at + timedelta(hours=delay)
        made.append(fact(at.isoformat(), type_, data, recorded=late.isoformat()))
    return tuple(
        replace(each, event_id=f"event-{place}", position=place, version=place)
        for place, each in enumerate(made, start=1)
    )
