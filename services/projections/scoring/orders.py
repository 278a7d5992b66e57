"""Which orders still count, whatever order their facts arrive in? Pure.

An order that came back wholly, in its own currency, never was. Its number is all that ties a
purchase to its returns, and either may be read first. Of each number is kept what was bought
minus what came back; the newest `KEPT_ORDERS` numbers are kept. A return of an older order, of an
unknown one, or of one whose amount nobody said cancels nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from services.projections.scoring.money import amount_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class Account(NamedTuple):
    """What is known of one order. `left` is None if it can no longer be told.

    `seen` is the newest instant of any of its `facts`, `last` that of its purchases.
    """

    seen: float
    facts: int
    purchases: int
    last: float | None
    came_back: bool
    left: Left | None


Accounts = dict[str, Account]
NEW = Account(float("-inf"), 0, 0, None, came_back=False, left={})


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
    return Account(max(at, account.seen), facts, purchases, last, came_back, left)


def is_cancelled(account: Account) -> bool:
    """True if all that was bought under this number came back."""
    if not account.purchases or not account.came_back or account.left is None:
        return False
    return all(value <= 0 for value in account.left.values())


def standing(account: Account) -> int:
    """How many purchases of this order count."""
    return 0 if is_cancelled(account) else account.purchases


def oldest(accounts: Mapping[str, Account]) -> str | None:
    """The number to forget; None while there is room for all."""
    if len(accounts) <= KEPT_ORDERS:
        return None
    return min(accounts, key=lambda name: (accounts[name].seen, name))


def pack(account: Account) -> list[Any]:
    """Plain values of the account; equal accounts give equal values."""
    if account.left is None:
        return [*account[:-1], None]
    left = {currency: plain(value) for currency, value in account.left.items()}
    return [*account[:-1], left]


def unpack(values: Sequence[Any]) -> Account:
    """The account that `pack` gave these values for."""
    *rest, left = values
    if left is None:
        return Account(*rest, left=None)
    return Account(*rest, left={currency: Decimal(value) for currency, value in left.items()})
