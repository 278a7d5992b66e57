"""Which orders still count, whatever order their facts arrive in? Pure.

An order that came back wholly, in its own currency, never was. Its number is all that ties a
purchase to its returns, and either may be read first. Of each number is kept what was bought
minus what came back; the newest `KEPT_ORDERS` numbers are kept. A return of an older order, of an
unknown one, or of one whose amount nobody said cancels nothing.

A state holds its orders packed: one fact concerns one order, and the others need no reading.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from services.projections.scoring.money import amount_of, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from events.facts import Fact

PURCHASE = "purchase.completed"
RETURN = "purchase.returned"
TYPES = frozenset({PURCHASE, RETURN})
KEPT_ORDERS = 16
KEPT_FACTS = 16
"""An order of more facts than this is no longer followed, and stands."""
NOTHING = Decimal(0)

Left = dict[str, Decimal]
"""Currency -> what was bought minus what came back."""


Packed = list[Any]
"""An account as plain values, `seen` first; what a model adds of its own comes after them."""


class Account(NamedTuple):
    """What is known of one order. `left` is None if it can no longer be told.

    `seen` is the newest instant of any of its `facts`, `last` that of its purchases; of these
    `standing` count: all, or none if everything came back.
    """

    seen: float
    standing: int
    last: float | None
    facts: int
    purchases: int
    came_back: bool
    left: Left | None

    @property
    def is_cancelled(self) -> bool:
        """True if all that was bought under this number came back."""
        return self.purchases > self.standing


NEW = Account(float("-inf"), 0, None, 0, 0, came_back=False, left={})
FIELDS = len(NEW)


def order_name(fact: Fact) -> str:
    """The order's number; empty if the fact has none."""
    name = fact.data.get("order_id")
    return name if isinstance(name, str) else ""


def entered(account: Account, fact: Fact) -> Account:
    """The account with `fact`; a return without an amount leaves the very same."""
    at = fact.occurred_at.timestamp()
    money = amount_of(fact.data.get("total"))
    back = fact.type == RETURN
    if back and money is None:
        return account
    last = account.last
    if not back:
        last = at if last is None else max(at, last)
    facts = account.facts + 1
    left = account.left
    if money is None or left is None or facts > KEPT_FACTS:
        left = None
    else:
        value = -money.value if back else money.value
        left = {**left, money.currency: left.get(money.currency, NOTHING) + value}
    purchases = account.purchases + (not back)
    came_back = account.came_back or back
    standing = 0 if came_back and _is_nothing(left) else purchases
    seen = max(at, account.seen)
    return Account(seen, standing, last, facts, purchases, came_back, left)


def _is_nothing(left: Left | None) -> bool:
    return left is not None and all(value <= 0 for value in left.values())


def last_standing(packed: Iterable[Packed]) -> float | None:
    """The instant of the newest purchase that counts."""
    return max((last for _, standing, last, *_ in packed if standing), default=None)


def kept(
    packed: Mapping[str, Packed], name: str, order: Packed
) -> tuple[dict[str, Packed], Packed | None]:
    """The orders with this one; of one too many goes what was heard of least lately, also told."""
    orders = {**packed, name: order}
    if len(orders) <= KEPT_ORDERS:
        return orders, None
    gone = min((values[0], each) for each, values in orders.items())[1]
    return orders, orders.pop(gone)


def pack(account: Account) -> Packed:
    """Plain values of the account; equal accounts give equal values."""
    if account.left is None:
        return [*account[:-1], None]
    left = {currency: plain(value) for currency, value in account.left.items()}
    return [*account[:-1], left]


def unpack(packed: Packed | None) -> Account:
    """The account that `pack` gave these values for; a new one of nothing."""
    if packed is None:
        return NEW
    *rest, left = packed[:FIELDS]
    if left is None:
        return Account(*rest, left=None)
    return Account(*rest, left={currency: Decimal(value) for currency, value in left.items()})
