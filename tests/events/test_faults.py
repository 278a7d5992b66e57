"""Each kind of bad input is answered with its place, what is wrong, and a cure that works."""

from __future__ import annotations

from typing import Any

import pytest

from events.catalog import catalog

MONEY = {"amount": "12.30", "currency": "GBP"}
LINE = {"sku": "85123A", "quantity": 1, "unit_price": MONEY}


def purchase(**changes: Any) -> dict[str, Any]:
    return {"order_id": "536365", "total": MONEY, **changes}


@pytest.mark.parametrize(
    ("kind", "data", "pointer", "message", "cure"),
    [
        (
            "purchase.completed",
            purchase(total={"amount": "-0.01", "currency": "GBP"}),
            "/data/total/amount",
            "amount is negative.",
            "purchase.returned",
        ),
        (
            "purchase.completed",
            purchase(total={"amount": 12.3, "currency": "GBP"}),
            "/data/total/amount",
            "amount is a number, not text.",
            '"12.30"',
        ),
        (
            "purchase.completed",
            purchase(total={"amount": "12,30", "currency": "GBP"}),
            "/data/total/amount",
            "amount is not a decimal string.",
            "with a point",
        ),
        (
            "purchase.completed",
            purchase(total={"amount": "1e3", "currency": "GBP"}),
            "/data/total/amount",
            "amount is not a decimal string.",
            "with a point",
        ),
        (
            "purchase.completed",
            purchase(total={"amount": "12.30", "currency": "pounds"}),
            "/data/total/currency",
            "currency is not a currency.",
            '"GBP"',
        ),
        (
            "purchase.completed",
            purchase(total={"amount": "12.30"}),
            "/data/total/currency",
            "currency is missing.",
            "ISO 4217",
        ),
        (
            "purchase.completed",
            purchase(total=12.3),
            "/data/total",
            "total is a number, not an object.",
            '{"amount":"12.30","currency":"GBP"}',
        ),
        (
            "purchase.completed",
            purchase(items=[LINE, {**LINE, "quantity": 0}]),
            "/data/items/1/quantity",
            "quantity is too small.",
            "more than 0",
        ),
        (
            "purchase.completed",
            purchase(items=[{**LINE, "quantity": "6"}]),
            "/data/items/0/quantity",
            "quantity is text, not a number.",
            "Send a number",
        ),
        (
            "purchase.completed",
            purchase(items=[{**LINE, "colour": "red"}]),
            "/data/items/0/colour",
            "colour is not a field of this type.",
            "known: category, name, quantity, sku, unit_price",
        ),
        (
            "purchase.completed",
            purchase(items=[]),
            "/data/items",
            "items has too few items.",
            "at least this many items: 1",
        ),
        (
            "purchase.completed",
            purchase(identifiers=["phone:020 7946 0000"]),
            "/data/identifiers/0",
            "item 1 is not an international phone number.",
            "phone:+442079460000",
        ),
        (
            "purchase.completed",
            purchase(parties=[{"identifier": "crm:1"}]),
            "/data/parties/0/role",
            "role is missing.",
            "Add it",
        ),
        (
            "purchase.completed",
            purchase(order_id="ada@example.org"),
            "/data/order_id",
            "order_id is not an opaque id.",
            "must not be an e-mail address",
        ),
        (
            "purchase.completed",
            purchase(order_id=536365),
            "/data/order_id",
            "order_id is a number, not text.",
            "128 characters",
        ),
        (
            "delivery.completed",
            {"order_id": "1", "delivered_at": "2011-01-01T09:00:00"},
            "/data/delivered_at",
            "delivered_at has no offset, so the instant is not known.",
            "Z for UTC",
        ),
        (
            "delivery.completed",
            {"order_id": "1", "delivered_at": 1293872400},
            "/data/delivered_at",
            "delivered_at is a number, not text.",
            "2026-03-01T09:30:00Z",
        ),
        (
            "complaint.opened",
            {"complaint_id": "c", "about": "weather"},
            "/data/about",
            "about is not one of the known values.",
            '"product", "delivery", "billing", "service", "other"',
        ),
        (
            "review.published",
            {"review_id": "r", "platform": "p", "rating": 6, "rating_max": 5, "url": "javascript:"},
            "/data/url",
            "url is not a web address.",
            "https://",
        ),
        (
            "churn_signal.cleared",
            {"signal_id": "7", "kind": "silence", "reason": "bought again"},
            "/data/signal_id",
            "signal_id is not a uuid.",
            "Send a UUID.",
        ),
        (
            "contact.handled",
            {
                "interaction_id": "i",
                "channel": "web",
                "direction": "inbound",
                "handle_seconds": 1.5,
            },
            "/data/handle_seconds",
            "handle_seconds is a number, not a whole number.",
            "Send a whole number",
        ),
        (
            "customer.described",
            {"attributes": {f"a{number}": 1 for number in range(51)}},
            "/data/attributes",
            "attributes has too many fields.",
            "at most this many fields: 50",
        ),
        (
            "wallet.stated",
            {"category": "gifts", "period": "2011-Q5", "total": MONEY},
            "/data/period",
            "period is in no form known here.",
            "2011-Q4",
        ),
        (
            "referral.made",
            {"referral_id": "r", "referred": "my friend"},
            "/data/referred",
            "referred has no kind that is known here.",
            "kind:value",
        ),
        (
            "complaint.opened",
            {"complaint_id": "c", "about": "other", "text": "x" * 20_001},
            "/data/text",
            "text is too long.",
            "20000",
        ),
    ],
)
def test_bad_input_is_answered_with_its_place_and_a_cure(
    kind: str, data: dict[str, Any], pointer: str, message: str, cure: str
) -> None:
    [error] = catalog().check(kind, None, data)
    assert (error.pointer, error.message) == (pointer, message)
    assert cure in error.cure


def test_every_fault_of_an_event_is_told_at_once() -> None:
    errors = catalog().check("purchase.completed", None, {"totl": 1, "channel": 5})
    assert {error.pointer for error in errors} == {
        "/data/order_id",
        "/data/total",
        "/data/totl",
        "/data/channel",
    }


def test_the_answer_to_one_event_is_bounded() -> None:
    errors = catalog().check("purchase.completed", None, {f"x{n}": n for n in range(1000)})
    assert len(errors) == 20


def test_a_field_name_that_may_be_personal_ends_the_pointer_above_it() -> None:
    data = purchase(total={**MONEY, "ada@example.org": "1"})
    [error] = catalog().check("purchase.completed", None, data)
    assert error.pointer == "/data/total"
    assert "ada" not in repr(error)


def test_a_value_under_such_a_name_is_told_above_it_too() -> None:
    data: dict[str, Any] = {"attributes": {"Ada Example": []}}
    [error] = catalog().check("customer.described", None, data)
    assert error.pointer == "/data/attributes"
    assert "Ada" not in repr(error)
