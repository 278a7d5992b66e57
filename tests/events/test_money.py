"""Money is exact, and reads back as it was written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalog import catalog
from events.errors import BadMoney
from events.money import Money, format_money, parse_money

amounts = st.decimals(
    min_value=-(10**14), max_value=10**14, allow_nan=False, allow_infinity=False, places=2
)
texts = st.from_regex(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?", fullmatch=True)
currencies = st.from_regex(r"[A-Z]{3}", fullmatch=True)


@given(texts, currencies)
def test_what_is_read_is_written_to_the_same_digit(amount: str, currency: str) -> None:
    value = {"amount": amount, "currency": currency}
    assert format_money(parse_money(value)) == value


@given(amounts, currencies)
def test_what_is_written_reads_back_equal_and_with_its_scale(
    amount: Decimal, currency: str
) -> None:
    money = Money(amount, currency)
    again = parse_money(format_money(money))
    assert again == money
    assert again.amount.as_tuple() == amount.as_tuple()


@given(texts | st.text(max_size=12), currencies | st.text(max_size=4))
def test_schema_and_reader_agree_on_what_money_is(amount: str, currency: str) -> None:
    value = {"amount": amount, "currency": currency}
    data = {"order_id": "1", "total": {"amount": "1", "currency": "GBP"}, "margin": value}
    assert bool(catalog().check("purchase.completed", None, data)) is not _reads(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (12.3, "not an object"),
        ("12.30 GBP", "not an object"),
        (None, "not an object"),
        ({}, "amount"),
        ({"amount": 12.3, "currency": "GBP"}, "amount"),
        ({"amount": 12, "currency": "GBP"}, "amount"),
        ({"amount": "12,30", "currency": "GBP"}, "amount"),
        ({"amount": "1_000", "currency": "GBP"}, "amount"),
        ({"amount": "1e3", "currency": "GBP"}, "amount"),
        ({"amount": "NaN", "currency": "GBP"}, "amount"),
        ({"amount": "+1", "currency": "GBP"}, "amount"),
        ({"amount": "01", "currency": "GBP"}, "amount"),
        ({"amount": ".5", "currency": "GBP"}, "amount"),
        ({"amount": "1\n", "currency": "GBP"}, "amount"),
        ({"amount": "1" * 16, "currency": "GBP"}, "amount"),
        ({"amount": "12.30"}, "currency"),
        ({"amount": "12.30", "currency": "gbp"}, "currency"),
        ({"amount": "12.30", "currency": "£"}, "currency"),
    ],
)
def test_anything_else_is_refused_with_a_cure(value: object, words: str) -> None:
    with pytest.raises(BadMoney) as refused:
        parse_money(value)
    assert words in refused.value.message
    assert '"amount": "12.30"' in refused.value.cure


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e20")])
def test_an_amount_without_a_wire_form_is_not_written(amount: Decimal) -> None:
    with pytest.raises(BadMoney):
        format_money(Money(amount, "GBP"))


def test_a_small_exponent_is_written_in_full() -> None:
    assert format_money(Money(Decimal("1E-6"), "GBP"))["amount"] == "0.000001"


@pytest.mark.parametrize(
    ("amount", "words"),
    [("1234.50", "1,234.50 GBP"), ("-5", "-5 GBP"), ("0.00", "0.00 GBP")],
)
def test_money_is_said_with_its_currency(amount: str, words: str) -> None:
    assert Money(Decimal(amount), "GBP").words() == words


def _reads(value: Any) -> bool:
    try:
        parse_money(value)
    except BadMoney:
        return False
    return True
