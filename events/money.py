"""Money: an exact decimal and a currency. Never a float, never a bare number.

On the wire it is `{"amount": "12.30", "currency": "GBP"}`; the amount keeps its written scale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from events.errors import BadMoney

AMOUNT_PATTERN: Final = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?"
CURRENCY_PATTERN: Final = r"[A-Z]{3}"
_AMOUNT: Final = re.compile(AMOUNT_PATTERN)
_CURRENCY: Final = re.compile(CURRENCY_PATTERN)
_CURE: Final = 'Send {"amount": "12.30", "currency": "GBP"}.'


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one currency (ISO 4217 letters); the amount may be negative."""

    amount: Decimal
    currency: str

    def words(self) -> str:
        """Write it for a reader: `1,234.50 GBP`."""
        return f"{self.amount:,f} {self.currency}"


def parse_money(value: object) -> Money:
    """Read the wire form exactly, scale included. Raises BadMoney for any other shape."""
    if not isinstance(value, Mapping):
        raise BadMoney("Money is not an object of amount and currency.", _CURE)
    amount: object = value.get("amount")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # a JSON value
    currency: object = value.get("currency")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # a JSON value
    if not isinstance(amount, str) or _AMOUNT.fullmatch(amount) is None:
        cure = f"Write it as text with a point, at most 15 digits before and 6 after it. {_CURE}"
        raise BadMoney("The amount is not a decimal string.", cure)
    if not isinstance(currency, str) or _CURRENCY.fullmatch(currency) is None:
        raise BadMoney("The currency is not three capital letters.", _CURE)
    return Money(Decimal(amount), currency)


def format_money(money: Money) -> dict[str, str]:
    """Write the wire form.

    Raises BadMoney if the amount is not finite or too long for it.
    """
    value = {"amount": f"{money.amount:f}", "currency": money.currency}
    parse_money(value)
    return value
