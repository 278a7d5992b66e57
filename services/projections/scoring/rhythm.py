"""How often does this customer buy, and when does their silence become long? Pure.

Sufficient statistics (Fader, Hardie & Lee 2005): `x` distinct purchase days after the first,
`t_x` from first to last, `T` from first to now, `m` the mean net spend of a repeat day. Purchases
of one UTC day are one. A return nets the value; it takes a day away only if it cancels, wholly,
the one order of that day. For that the newest orders are kept, at most `KEPT_ORDERS`; a return of
an older or unknown order still nets the value.

Order matters: a purchase that occurred before the last one is refolded from the ledger.

The silence is long at a closed-form instant: `last + clamp(factor * gap, floor, ceiling)`, where
`gap = (weight * prior + t_x) / (weight + x)` days is the customer's own mean gap, shrunk to the
portfolio's. (With `weight = r` and `weight * prior = alpha` this is the inverse of the rate a
gamma-Poisson model expects; the crossing of a fitted MBG/NBD model takes `Pace.model`'s place.)
"""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from services.projections.scoring.money import Amount, amount_of, plain
from services.projections.scoring.orders import KEPT_ORDERS, PURCHASE, RETURN, order_name
from services.projections.scoring.times import DAY, day_of, instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from events.facts import Fact
    from services.projections.scoring.policy import Pace

DAYS_A_WEEK = 7
NOTHING = Decimal(0)


class Order(NamedTuple):
    """One purchase that a return may still cancel. `left` is its total minus what came back."""

    at: float
    event_id: str
    order_id: str
    left: Amount | None


class Spend(NamedTuple):
    """Net money of one currency: on the first purchase day, and altogether."""

    first_day: Decimal
    total: Decimal


class Rhythm(NamedTuple):
    """A customer's purchases. Days are counted from 1970-01-01 UTC; no purchase: `days == 0`."""

    days: int
    first: int
    last: int
    last_at: float
    orders: tuple[Order, ...]
    spend: dict[str, Spend]


class Statistics(NamedTuple):
    """What value models are fitted on; times in weeks. `mean_repeat_spend` needs one currency."""

    x: int
    t_x: float
    T: float
    mean_repeat_spend: Amount | None


NO_PURCHASES = Rhythm(0, 0, 0, 0.0, (), {})


def step(state: Rhythm, fact: Fact) -> Rhythm:
    """Read one fact; anything but a purchase or a return leaves the very same state."""
    if fact.type == PURCHASE:
        return _bought(state, fact)
    if fact.type == RETURN:
        return _returned(state, fact)
    return state


def _bought(state: Rhythm, fact: Fact) -> Rhythm:
    at = fact.occurred_at.timestamp()
    day = day_of(at)
    paid = amount_of(fact.data.get("total"))
    orders = (*state.orders, Order(at, fact.event_id, order_name(fact), paid))
    if state.days == 0:
        spend = _added(state.spend, paid, on_first_day=True) if paid else state.spend
        return Rhythm(1, day, day, at, orders, spend)
    if at < state.last_at:
        orders = tuple(sorted(orders, key=attrgetter("at")))
    return Rhythm(
        state.days if _is_known(state, day) else state.days + 1,
        min(state.first, day),
        max(state.last, day),
        max(state.last_at, at),
        orders[-KEPT_ORDERS:],
        _added(state.spend, paid, on_first_day=day <= state.first) if paid else state.spend,
    )


def _is_known(state: Rhythm, day: int) -> bool:
    """True if a purchase stands on that day; only an order in order is ever after the last."""
    if day >= state.last or day == state.first:
        return day in (state.first, state.last)
    return any(day_of(kept.at) == day for kept in state.orders)


def _added(spend: dict[str, Spend], paid: Amount, *, on_first_day: bool) -> dict[str, Spend]:
    was = spend.get(paid.currency)
    first_day, total = was or (NOTHING, NOTHING)
    first_day = first_day + paid.value if on_first_day else first_day
    return {**spend, paid.currency: Spend(first_day, total + paid.value)}


def _returned(state: Rhythm, fact: Fact) -> Rhythm:
    back = amount_of(fact.data.get("total"))
    if back is None or state.days == 0:
        return state
    index = _find(state.orders, order_name(fact))
    if index is None:
        return _netted(state, back, on_first_day=state.days == 1)
    order = state.orders[index]
    netted = _netted(state, back, on_first_day=day_of(order.at) == state.first)
    if order.left is None or order.left.currency != back.currency:
        return netted
    left = order.left.value - back.value
    if left > 0:
        kept = order._replace(left=Amount(left, back.currency))
        return netted._replace(orders=_put(netted.orders, index, (kept,)))
    return _cancelled(netted, index)


def _find(orders: Sequence[Order], order_id: str) -> int | None:
    for index in range(len(orders) - 1, -1, -1):
        if orders[index].order_id == order_id and order_id:
            return index
    return None


def _put(orders: tuple[Order, ...], index: int, new: tuple[Order, ...]) -> tuple[Order, ...]:
    return (*orders[:index], *new, *orders[index + 1 :])


def _netted(state: Rhythm, back: Amount, *, on_first_day: bool) -> Rhythm:
    minus = Amount(-back.value, back.currency)
    return state._replace(spend=_added(state.spend, minus, on_first_day=on_first_day))


def _cancelled(state: Rhythm, index: int) -> Rhythm:
    """The order never was. Its day counts only if another order stands on it."""
    gone = day_of(state.orders[index].at)
    state = state._replace(orders=_put(state.orders, index, ()))
    days = [day_of(order.at) for order in state.orders]
    if gone in days:
        return state._replace(last_at=state.orders[-1].at) if gone == state.last else state
    if state.days == 1:
        return NO_PURCHASES._replace(spend=state.spend)
    if not days:
        return state._replace(days=state.days - 1)
    if gone == state.last:
        return state._replace(days=state.days - 1, last=days[-1], last_at=state.orders[-1].at)
    if gone == state.first:
        return _begun_later(state, days[0])
    return state._replace(days=state.days - 1)


def _begun_later(state: Rhythm, first: int) -> Rhythm:
    """The first day fell away: every remaining order is kept, so the new first day is known."""
    spend = {currency: Spend(NOTHING, was.total) for currency, was in state.spend.items()}
    for order in state.orders:
        if order.left is not None and day_of(order.at) == first:
            was = spend.get(order.left.currency, Spend(NOTHING, NOTHING))
            spend[order.left.currency] = was._replace(first_day=was.first_day + order.left.value)
    return state._replace(days=state.days - 1, first=first, spend=spend)


def anchor(state: Rhythm) -> str:
    """What names the present silence: the last purchase."""
    last = last_event(state)
    return f"{last}@{state.last_at:.6f}"


def last_event(state: Rhythm) -> str | None:
    """The event id of the last purchase, None if its order is no longer kept."""
    newest = state.orders[-1] if state.orders else None
    return newest.event_id if newest is not None and newest.at == state.last_at else None


def statistics(state: Rhythm, as_of: datetime) -> Statistics | None:
    """The sufficient statistics at `as_of`, not before the last fact; None without a purchase."""
    if state.days == 0:
        return None
    until = day_of(as_of.timestamp())
    return Statistics(
        x=state.days - 1,
        t_x=weeks_between(state),
        T=max(until - state.first, state.last - state.first) / DAYS_A_WEEK,
        mean_repeat_spend=mean_repeat_spend(state),
    )


def weeks_between(state: Rhythm) -> float:
    """Weeks from the first to the last purchase day; 0 without two."""
    return (state.last - state.first) / DAYS_A_WEEK


def mean_repeat_spend(state: Rhythm) -> Amount | None:
    """Mean net spend of a repeat day, to a hundredth; None without repeats or with two currencies.

    Returns of unknown orders are taken from the repeats, so it may fall below zero.
    """
    if state.days < 2 or len(state.spend) != 1:  # noqa: PLR2004 - a repeat needs two days
        return None
    ((currency, spend),) = state.spend.items()
    mean = (spend.total - spend.first_day) / (state.days - 1)
    return Amount(mean.quantize(Decimal("0.01")), currency)


def expected_gap(state: Rhythm, pace: Pace) -> float:
    """Days between purchases to expect: the own mean gap, shrunk to the portfolio's."""
    spread = state.last - state.first
    return (pace.prior_weight * pace.prior_gap_days + spread) / (
        pace.prior_weight + max(state.days - 1, 0)
    )


def due_seconds(state: Rhythm, pace: Pace) -> float | None:
    """The instant at which silence becomes long; None with too few purchase days to know a pace."""
    if state.days < pace.least_purchase_days:
        return None
    days = pace.factor * expected_gap(state, pace)
    return state.last_at + min(max(days, pace.floor_days), pace.ceiling_days) * DAY


def due(state: Rhythm, pace: Pace) -> datetime | None:
    """The same as an aware time."""
    seconds = due_seconds(state, pace)
    return None if seconds is None else instant(seconds)


def pack(state: Rhythm) -> list[Any]:
    """Plain values of the state; equal states give equal values in equal order."""
    return [
        state.days,
        state.first,
        state.last,
        state.last_at,
        [[*order[:3], *_plain(order.left)] for order in state.orders],
        {key: [plain(was.first_day), plain(was.total)] for key, was in state.spend.items()},
    ]


def _plain(amount: Amount | None) -> tuple[str, str] | tuple[()]:
    return () if amount is None else (plain(amount.value), amount.currency)


def unpack(values: Sequence[Any]) -> Rhythm:
    """The state that `pack` gave these values for."""
    days, first, last, last_at, orders, spend = values
    return Rhythm(
        days,
        first,
        last,
        last_at,
        tuple(Order(at, event, order, _amount(left)) for at, event, order, *left in orders),
        {key: Spend(Decimal(first_), Decimal(total)) for key, (first_, total) in spend.items()},
    )


def _amount(left: list[str]) -> Amount | None:
    return Amount(Decimal(left[0]), left[1]) if left else None
