"""Who is there, since when, and how much has happened? Nothing here does I/O.

Order does not matter: counts, sums, firsts and lasts. An order that came back wholly is no
purchase; of the newest orders is kept what that takes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import orjson

from services.projections.read_model import StateModel
from services.projections.scoring import orders
from services.projections.scoring.money import amount_of, plain
from services.projections.scoring.orders import PURCHASE, RETURN
from services.projections.scoring.times import instant

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
SIGN = {PURCHASE: 1, RETURN: -1}
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
    """One customer in the directory. Times are event times; `spend` is net, by currency.

    `older_purchase` is the newest of the purchases whose order is not among the kept `orders`.
    """

    events: int
    simulated: int
    purchases: int
    first_seen: datetime | None
    last_seen: datetime | None
    older_purchase: datetime | None
    last_contact: datetime | None
    spend: Mapping[str, Decimal]
    orders: orders.Accounts

    @property
    def last_purchase(self) -> datetime | None:
        """When something was last bought that did not come back."""
        last = max(
            (each.last or 0.0 for each in self.orders.values() if orders.standing(each)),
            default=None,
        )
        return self.older_purchase if last is None else _later(self.older_purchase, instant(last))

    @property
    def main_spend(self) -> tuple[str, Decimal] | None:
        """(currency, net amount) of the currency most was spent in; the first by name on a tie."""
        if not self.spend:
            return None
        return min(self.spend.items(), key=lambda item: (-item[1], item[0]))


NOBODY = Entry(0, 0, 0, None, None, None, None, {}, {})


def step(state: Entry, fact: Fact) -> Entry:
    """Count `fact`."""
    kind = fact.type
    at = fact.occurred_at
    ours = kind in SYSTEM
    purchases, older, kept = _counted(state, fact) if kind in SIGN else _purchases(state)
    return Entry(
        state.events + 1,
        state.simulated + fact.simulated,
        purchases,
        state.first_seen if ours else _earlier(state.first_seen, at),
        state.last_seen if ours else _later(state.last_seen, at),
        older,
        _later(state.last_contact, at) if _is_our_contact(fact) else state.last_contact,
        _traded(state.spend, fact, SIGN[kind]) if kind in SIGN else state.spend,
        kept,
    )


Purchases = tuple[int, "datetime | None", orders.Accounts]
"""How many count, the newest of a forgotten order, and the kept orders."""


def _purchases(state: Entry) -> Purchases:
    return state.purchases, state.older_purchase, state.orders


def _counted(state: Entry, fact: Fact) -> Purchases:
    name = orders.order_name(fact)
    if not name:
        if fact.type == RETURN:
            return _purchases(state)
        return state.purchases + 1, _later(state.older_purchase, fact.occurred_at), state.orders
    was = state.orders.get(name, orders.NEW)
    now = orders.entered(was, fact)
    if now is was:
        return _purchases(state)
    kept = {**state.orders, name: now}
    older = state.older_purchase
    if (gone := orders.oldest(kept)) is not None:
        forgotten = kept.pop(gone)
        if forgotten.last is not None and orders.standing(forgotten):
            older = _later(older, instant(forgotten.last))
    return state.purchases + orders.standing(now) - orders.standing(was), older, kept


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
    kept = {name: orders.pack(each) for name, each in state.orders.items()}
    return orjson.dumps([*state[:-2], spend, kept], option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def unpack(packed: bytes) -> Entry:
    """What `pack` packed."""
    events, simulated, purchases, *times, spend, kept = orjson.loads(packed)
    first, last, older, contact = (time and datetime.fromisoformat(time) for time in times)
    amounts = {currency: Decimal(amount) for currency, amount in spend.items()}
    known = {name: orders.unpack(each) for name, each in kept.items()}
    return Entry(events, simulated, purchases, first, last, older, contact, amounts, known)


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
