"""Who is there, since when, and how much has happened? Nothing here does I/O.

Order does not matter: counts, sums, firsts and lasts.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import orjson

from services.projections.read_model import StateModel
from services.projections.scoring.money import amount_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact

OUR_CONTACTS = frozenset(
    {
        "benefit.granted",
        "complaint.resolved",
        "complaint.responded",
        "feedback.acted_on",
        "promise.kept",
        "review.answered",
    }
)
"""What counts as something we did towards the customer."""
PURCHASE = "purchase.completed"
SIGN = {PURCHASE: 1, "purchase.returned": -1}
NOTHING = Decimal(0)
SYSTEM = frozenset(
    {
        "audit.read",
        "churn_signal.cleared",
        "churn_signal.raised",
        "customer.erased",
        "suppression.set",
    }
)
"""What we did or concluded ourselves; it says nothing about when the customer was last there."""


class Entry(NamedTuple):
    """One customer in the directory. Times are event times; `spend` is net, by currency."""

    events: int
    simulated: int
    purchases: int
    first_seen: datetime | None
    last_seen: datetime | None
    last_purchase: datetime | None
    last_contact: datetime | None
    spend: Mapping[str, Decimal]

    @property
    def main_spend(self) -> tuple[str, Decimal] | None:
        """(currency, net amount) of the currency most was spent in; the first by name on a tie."""
        if not self.spend:
            return None
        return min(self.spend.items(), key=lambda item: (-item[1], item[0]))


NOBODY = Entry(0, 0, 0, None, None, None, None, {})


def step(state: Entry, fact: Fact) -> Entry:
    """Count `fact`."""
    kind = fact.type
    at = fact.occurred_at
    ours = kind in SYSTEM
    bought = kind == PURCHASE
    return Entry(
        state.events + 1,
        state.simulated + fact.simulated,
        state.purchases + bought,
        state.first_seen if ours else _earlier(state.first_seen, at),
        state.last_seen if ours else _later(state.last_seen, at),
        _later(state.last_purchase, at) if bought else state.last_purchase,
        _later(state.last_contact, at) if _is_our_contact(fact) else state.last_contact,
        _traded(state.spend, fact, SIGN[kind]) if kind in SIGN else state.spend,
    )


def _is_our_contact(fact: Fact) -> bool:
    """Whether we turned to the customer: not a call of theirs, not a campaign held back."""
    match fact.type:
        case "campaign.sent":
            return fact.data.get("arm") != "held_out"
        case "contact.handled":
            return fact.data.get("direction") == "outbound"
        case kind:
            return kind in OUR_CONTACTS


def _traded(spend: Mapping[str, Decimal], fact: Fact, sign: int) -> Mapping[str, Decimal]:
    money = amount_of(fact.data.get("total"))
    if money is None:
        return spend
    return {**spend, money.currency: spend.get(money.currency, NOTHING) + sign * money.value}


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at < known else known


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at > known else known


def pack(state: Entry) -> bytes:
    """The state as sorted JSON: equal states give equal bytes."""
    spend = {currency: plain(amount) for currency, amount in state.spend.items()}
    return orjson.dumps([*state[:-1], spend], option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def unpack(packed: bytes) -> Entry:
    """What `pack` packed."""
    events, simulated, purchases, *times, spend = orjson.loads(packed)
    first, last, purchase, contact = (time and datetime.fromisoformat(time) for time in times)
    amounts = {currency: Decimal(amount) for currency, amount in spend.items()}
    return Entry(events, simulated, purchases, first, last, purchase, contact, amounts)


def read_model() -> StateModel[Entry]:
    """The directory."""
    return StateModel(
        name="customer_directory",
        version=1,
        order_matters=False,
        start=lambda: NOBODY,
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
