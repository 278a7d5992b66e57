"""Amounts as they come in event data, read without refusing: exact, one currency at a time."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN = re.compile(r"-?\d{1,15}(?:\.\d{1,6})?", re.ASCII)


class Amount(NamedTuple):
    """An exact amount of one currency. Amounts of two currencies are never added."""

    value: Decimal
    currency: str


def exact(text: object) -> Decimal | None:
    """The decimal number in `text`, or None if it is no text, or no plain number of that size."""
    return Decimal(text) if isinstance(text, str) and PLAIN.fullmatch(text) else None


def amount_of(money: object) -> Amount | None:
    """Read `{"amount": "12.30", "currency": "GBP"}`; None if it is anything else."""
    if not isinstance(money, dict):
        return None
    fields = cast("Mapping[str, Any]", money)
    currency = fields.get("currency")
    value = exact(fields.get("amount"))
    if value is None or not isinstance(currency, str) or not currency:
        return None
    return Amount(value, currency)


def plain(value: Decimal) -> str:
    """`value` as text without an exponent, as it is packed."""
    return format(value, "f")
