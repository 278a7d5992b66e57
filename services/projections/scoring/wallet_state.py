"""What must be remembered to say what share of a customer's spend comes to us? Pure.

Order does not matter: sums by day and currency, counts by day, the newest statement and ranking.
Bounded: days older than `KEPT_DAYS` before the newest are dropped, and of more than
`KEPT_CATEGORIES` names those that sort first are kept. Both leave the same whatever the order.

Own spend of a category is the order's total if all items are of one category, else the sum of
quantity times unit price. What came back without a category nets the only category there is.

An order that came back wholly never was: neither what it gave nor what its returns took is left.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from events.errors import BadPeriod
from events.periods import parse_period
from services.projections.scoring import orders
from services.projections.scoring.money import Amount, amount_of, exact, plain
from services.projections.scoring.times import day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from events.facts import Fact

KEPT_DAYS = 1_095
KEPT_CATEGORIES = 64
UNCATEGORISED = "uncategorised"
LOOSE = ""
"""The category of what came back without one; it has no share of its own."""
NOTHING = Decimal(0)
CENT = Decimal("0.01")
CENTS_BELOW = 24
"""Powers of ten: a greater amount has no room for cents."""
EPOCH = date(1970, 1, 1)

Sums = dict[str, dict[int, Decimal]]
"""Currency -> day -> net amount. Days are counted from 1970-01-01 UTC."""


class Statement(NamedTuple):
    """What the customer said they spend: the newest by (at, position); days both included."""

    at: float
    position: int
    first: int
    last: int
    total: Decimal
    currency: str


class Ranking(NamedTuple):
    """Where the customer ranks us among the brands they buy: the newest."""

    at: float
    position: int
    rank: int
    brands: int
    tied: bool


class Category(NamedTuple):
    """Evidence about one category: own spend, own and outside purchases by day, what was said."""

    spend: Sums
    own: dict[int, int]
    outside: dict[int, int]
    statement: Statement | None
    ranking: Ranking | None


Given = dict[str, Category]
"""Evidence by category."""


class WalletState(NamedTuple):
    """Evidence by category. `newest` is the newest day of any of it.

    `orders`: the newest, each with what its facts give while it stands.
    """

    categories: Given
    newest: int
    orders: dict[str, orders.Packed]


NO_EVIDENCE = Category({}, {}, {}, None, None)
NO_WALLET = WalletState({}, 0, {})


def step(state: WalletState, fact: Fact) -> WalletState:
    """Read one fact; one that says nothing about a wallet leaves the very same state."""
    reader = READERS.get(fact.type)
    if reader is None:
        return state
    day = day_of(fact.occurred_at.timestamp())
    found = reader(fact, day)
    kept = state.orders
    name = orders.order_name(fact) if fact.type in orders.TYPES else ""
    if name:
        packed = kept.get(name)
        was = orders.unpack(packed)
        account = orders.entered(was, fact)
        if account is not was:
            given, found = _ordered(was, account, _given(packed), found)
            kept, _ = orders.kept(kept, name, [*orders.pack(account), _pack_all(given)])
    if kept is state.orders and not found:
        return state
    newest = max(state.newest, day)
    return WalletState(_evidence(state, found, newest), newest, kept)


def _given(packed: orders.Packed | None) -> Given:
    return {} if packed is None else _unpack_all(packed[orders.FIELDS])


def _ordered(
    was: orders.Account, now: orders.Account, gave: Given, found: Given
) -> tuple[Given, Given]:
    """What the order gives while it stands, and what `found` changes about the evidence."""
    given = _merged(gave, found)
    change = found
    if now.is_cancelled:
        stood = {} if was.is_cancelled else gave
        change = {name: _opposite(each) for name, each in stood.items()}
    elif was.is_cancelled:
        change = given
    if now.left is None:
        given = {}
    elif len(given) > KEPT_CATEGORIES:
        given = {name: given[name] for name in sorted(given)[:KEPT_CATEGORIES]}
    return given, change


def _merged(was: Given, new: Given) -> Given:
    return {**was, **{name: _joined(was.get(name), each) for name, each in new.items()}}


def _opposite(category: Category) -> Category:
    """What takes away everything that `category` gave; orders give spend and counts alone."""
    spend = {
        currency: {day: -amount for day, amount in days.items()}
        for currency, days in category.spend.items()
    }
    return NO_EVIDENCE._replace(
        spend=spend, own={day: -count for day, count in category.own.items()}
    )


def _evidence(state: WalletState, change: Given, newest: int) -> Given:
    """The state's evidence with `change`, without what is too old, too much, or nothing."""
    merged = _merged(state.categories, change)
    oldest = newest - KEPT_DAYS
    read = merged if newest != state.newest else change
    categories = merged.copy()
    for name in read:
        categories[name] = _trimmed(merged[name], oldest)
        if categories[name] == NO_EVIDENCE:
            del categories[name]
    if len(categories) > KEPT_CATEGORIES:
        categories = {name: categories[name] for name in sorted(categories)[:KEPT_CATEGORIES]}
    return categories


def _joined(was: Category | None, new: Category) -> Category:
    if was is None:
        return new
    return Category(
        _summed(was.spend, new.spend),
        _counted(was.own, new.own),
        _counted(was.outside, new.outside),
        _newest(was.statement, new.statement),
        _newest(was.ranking, new.ranking),
    )


def _summed(was: Sums, new: Sums) -> Sums:
    if not new:
        return was
    sums = was.copy()
    for currency, days in new.items():
        kept = sums.get(currency, {}).copy()
        for day, amount in days.items():
            kept[day] = _tidy(kept.get(day, NOTHING) + amount)
        sums[currency] = kept
    return sums


def _tidy(amount: Decimal) -> Decimal:
    """The same amount with two places, or as many as it needs: alike, whatever it was made of."""
    shortest = amount.normalize()
    rounds_no_digit = amount.adjusted() < CENTS_BELOW and shortest == round(shortest, 2)
    return shortest.quantize(CENT) if rounds_no_digit else shortest


def _counted(was: dict[int, int], new: dict[int, int]) -> dict[int, int]:
    if not new:
        return was
    counts = was.copy()
    for day, count in new.items():
        counts[day] = counts.get(day, 0) + count
    return counts


def _newest(was: Any, new: Any) -> Any:
    if was is None or new is None:
        return new if was is None else was
    return max(was, new, key=lambda said: (said.at, said.position))


def _trimmed(category: Category, oldest: int) -> Category:
    """The category without what is older or nothing; the very same if all of it stays."""
    dated = (*category.spend.values(), category.own, category.outside)
    if all(min(days) > oldest and all(days.values()) for days in dated if days):
        return category
    spend = {
        currency: {day: amount for day, amount in days.items() if day > oldest and amount}
        for currency, days in category.spend.items()
    }
    return category._replace(
        spend={currency: days for currency, days in spend.items() if days},
        own={day: count for day, count in category.own.items() if day > oldest and count},
        outside={day: count for day, count in category.outside.items() if day > oldest},
    )


def _bought(fact: Fact, day: int) -> dict[str, Category]:
    spent = _by_category(fact, UNCATEGORISED)
    return {
        name: NO_EVIDENCE._replace(spend=_on(day, amounts, 1), own={day: 1})
        for name, amounts in spent.items()
    }


def _returned(fact: Fact, day: int) -> dict[str, Category]:
    back = _by_category(fact, LOOSE)
    return {
        name: NO_EVIDENCE._replace(spend=_on(day, amounts, -1))
        for name, amounts in back.items()
        if amounts
    }


def _on(day: int, amounts: Iterable[Amount], sign: int) -> Sums:
    sums: Sums = {}
    for value, currency in amounts:
        days = sums.setdefault(currency, {day: NOTHING})
        days[day] = _tidy(days[day] + sign * value)
    return sums


def _by_category(fact: Fact, unsaid: str) -> dict[str, list[Amount]]:
    """The amounts of an order by category; items without one count to `unsaid`."""
    total = amount_of(fact.data.get("total"))
    items = _items(fact.data.get("items"))
    names = {_category(item) or unsaid for item in items} or {unsaid}
    if len(names) == 1:
        return {names.pop(): [] if total is None else [total]}
    found: dict[str, list[Amount]] = {name: [] for name in names}
    for item in items:
        line = _line_amount(item)
        if line is not None:
            found[_category(item) or unsaid].append(line)
    return found


def _items(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        return []
    items = cast("list[object]", value)
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, dict)]


def _category(data: Mapping[str, Any]) -> str | None:
    name = data.get("category")
    return name if isinstance(name, str) and name else None


def _line_amount(item: Mapping[str, Any]) -> Amount | None:
    price = amount_of(item.get("unit_price"))
    quantity = item.get("quantity")
    if price is None or isinstance(quantity, bool) or not isinstance(quantity, int | float):
        return None
    count = exact(str(quantity))
    return None if count is None else Amount(price.value * count, price.currency)


def _observed(fact: Fact, day: int) -> dict[str, Category]:
    name = _category(fact.data)
    return {} if name is None else {name: NO_EVIDENCE._replace(outside={day: 1})}


def _stated(fact: Fact, day: int) -> dict[str, Category]:
    name, total = _category(fact.data), amount_of(fact.data.get("total"))
    if name is None or total is None or total.value < 0:
        return {}
    try:
        period = parse_period(fact.data.get("period"), EPOCH + timedelta(days=day))
    except BadPeriod:
        return {}
    statement = Statement(
        fact.occurred_at.timestamp(),
        fact.position,
        (period.first - EPOCH).days,
        (period.last - EPOCH).days,
        *total,
    )
    return {name: NO_EVIDENCE._replace(statement=statement)}


def _ranked(fact: Fact, _day: int) -> dict[str, Category]:
    name, rank, brands = _category(fact.data), fact.data.get("rank"), fact.data.get("brands")
    if name is None or type(rank) is not int or type(brands) is not int or not 1 <= rank <= brands:
        return {}
    tied = fact.data.get("tied") is True
    ranking = Ranking(fact.occurred_at.timestamp(), fact.position, rank, brands, tied)
    return {name: NO_EVIDENCE._replace(ranking=ranking)}


READERS: Mapping[str, Callable[[Fact, int], dict[str, Category]]] = {
    "purchase.completed": _bought,
    "purchase.returned": _returned,
    "outside_purchase.observed": _observed,
    "wallet.stated": _stated,
    "brands.ranked": _ranked,
}


def pack(state: WalletState) -> bytes:
    """The state as canonical bytes: equal states give equal bytes."""
    return orjson.dumps(
        [_pack_all(state.categories), state.newest, state.orders], option=orjson.OPT_SORT_KEYS
    )


def _pack_all(given: Given) -> dict[str, list[Any]]:
    return {name: _pack(each) for name, each in given.items()}


def _pack(category: Category) -> list[Any]:
    said = category.statement
    return [
        {
            currency: {str(day): plain(amount) for day, amount in days.items()}
            for currency, days in category.spend.items()
        },
        {str(day): count for day, count in category.own.items()},
        {str(day): count for day, count in category.outside.items()},
        None if said is None else [*said[:4], plain(said.total), said.currency],
        None if category.ranking is None else list(category.ranking),
    ]


def unpack(packed: bytes) -> WalletState:
    """The state that `pack` made these bytes of."""
    categories, newest, kept = orjson.loads(packed)
    return WalletState(_unpack_all(categories), newest, kept)


def _unpack_all(given: dict[str, list[Any]]) -> Given:
    return {name: _unpack(each) for name, each in given.items()}


def _statement(at: float, position: int, *rest: Any) -> Statement:
    first, last, total, currency = rest
    return Statement(at, position, first, last, Decimal(total), currency)


def _unpack(values: list[Any]) -> Category:
    spend, own, outside, said, ranking = values
    return Category(
        {
            currency: {int(day): Decimal(amount) for day, amount in days.items()}
            for currency, days in spend.items()
        },
        {int(day): count for day, count in own.items()},
        {int(day): count for day, count in outside.items()},
        None if said is None else _statement(*said),
        None if ranking is None else Ranking(*ranking),
    )
