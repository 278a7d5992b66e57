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
    orders: Mapping[str, orders.Packed]

    @property
    def last_purchase(self) -> datetime | None:
        """When something was last bought that did not come back."""
        last = orders.last_standing(self.orders.values())
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


Purchases = tuple[int, "datetime | None", "Mapping[str, orders.Packed]"]
"""How many count, the newest of a forgotten order, and the kept orders."""


def _purchases(state: Entry) -> Purchases:
    return state.purchases, state.older_purchase, state.orders


def _counted(state: Entry, fact: Fact) -> Purchases:
    name = orders.order_name(fact)
    if not name:
        if fact.type == RETURN:
            return _purchases(state)
        return state.purchases + 1, _later(state.older_purchase, fact.occurred_at), state.orders
    was = orders.unpack(state.orders.get(name))
    now = orders.entered(was, fact)
    if now is was:
        return _purchases(state)
    kept, gone = orders.kept(state.orders, name, orders.pack(now))
    last = None if gone is None else orders.last_standing([gone])
    older = state.older_purchase if last is None else _later(state.older_purchase, instant(last))
    return state.purchases + now.standing - was.standing, older, kept


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
    options = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
    return orjson.dumps([*state[:-2], spend, state.orders], option=options)


def unpack(packed: bytes) -> Entry:
    """What `pack` packed."""
    events, simulated, purchases, *times, spend, kept = orjson.loads(packed)
    first, last, older, contact = (time and datetime.fromisoformat(time) for time in times)
    amounts = {currency: Decimal(amount) for currency, amount in spend.items()}
    return Entry(events, simulated, purchases, first, last, older, contact, amounts, kept)


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
