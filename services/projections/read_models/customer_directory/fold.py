"""Who is there, since when, and how much has happened? Nothing here does I/O.

Order does not matter: counts, sums, firsts and lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import orjson

from services.projections.read_model import StateModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact

OUR_CONTACTS = frozenset(
    {
        "benefit.granted",
        "campaign.sent",
        "complaint.resolved",
        "complaint.responded",
        "contact.handled",
        "feedback.acted_on",
        "promise.kept",
        "review.answered",
    }
)
"""What counts as something we did towards the customer."""
SIGN = {"purchase.completed": 1, "purchase.returned": -1}
SYSTEM = frozenset({"churn_signal.cleared", "churn_signal.raised"})
"""What we concluded ourselves; it says nothing about when the customer was last there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One customer in the directory. Times are event times; `spend` is net, by currency."""

    events: int = 0
    simulated: int = 0
    purchases: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    last_purchase: datetime | None = None
    last_contact: datetime | None = None
    spend: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])

    @property
    def main_spend(self) -> tuple[str, Decimal] | None:
        """(currency, net amount) of the currency most was spent in; the first by name on a tie."""
        if not self.spend:
            return None
        return min(self.spend.items(), key=lambda item: (-item[1], item[0]))


def step(state: Entry, fact: Fact) -> Entry:
    """Count `fact`."""
    entry = replace(state, events=state.events + 1, simulated=state.simulated + fact.simulated)
    if fact.type in SYSTEM:
        return entry
    at = fact.occurred_at
    entry = replace(
        entry,
        first_seen=at if entry.first_seen is None else min(at, entry.first_seen),
        last_seen=_later(entry.last_seen, at),
    )
    if fact.type in SIGN:
        return _traded(entry, fact)
    if fact.type in OUR_CONTACTS:
        return replace(entry, last_contact=_later(entry.last_contact, at))
    return entry


def _traded(entry: Entry, fact: Fact) -> Entry:
    sign = SIGN[fact.type]
    spend = entry.spend
    money = _money(fact.data.get("total"))
    if money is not None:
        currency, amount = money
        spend = {**spend, currency: spend.get(currency, Decimal(0)) + sign * amount}
    if sign < 0:
        return replace(entry, spend=spend)
    return replace(
        entry,
        spend=spend,
        purchases=entry.purchases + 1,
        last_purchase=_later(entry.last_purchase, fact.occurred_at),
    )


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else max(known, at)


def _money(value: Any) -> tuple[str, Decimal] | None:
    """(currency, amount) of a money object, or None where there is none to be read."""
    match value:
        case {"amount": str(amount), "currency": str(currency)}:
            try:
                return currency, Decimal(amount)
            except InvalidOperation:
                return None
        case _:
            return None


def pack(state: Entry) -> bytes:
    """The state as sorted JSON: equal states give equal bytes."""
    packed = {one.name: getattr(state, one.name) for one in fields(state)}
    packed["spend"] = {currency: str(amount) for currency, amount in state.spend.items()}
    return orjson.dumps(packed, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def unpack(packed: bytes) -> Entry:
    """What `pack` packed."""
    values: dict[str, Any] = orjson.loads(packed)
    for name in ("first_seen", "last_seen", "last_purchase", "last_contact"):
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    values["spend"] = {currency: Decimal(amount) for currency, amount in values["spend"].items()}
    return Entry(**values)


def read_model() -> StateModel[Entry]:
    """The directory."""
    return StateModel(
        name="customer_directory",
        version=1,
        order_matters=False,
        start=Entry,
        step=step,
        pack=pack,
        unpack=unpack,
        columns={
            "first_seen": lambda state: state.first_seen,
            "last_seen": lambda state: state.last_seen,
            "events": lambda state: state.events,
            "simulated": lambda state: state.simulated,
            "purchases": lambda state: state.purchases,
            "last_purchase": lambda state: state.last_purchase,
            "last_contact": lambda state: state.last_contact,
            "spend_amount": lambda state: state.main_spend and state.main_spend[1],
            "spend_currency": lambda state: state.main_spend and state.main_spend[0],
        },
    )
