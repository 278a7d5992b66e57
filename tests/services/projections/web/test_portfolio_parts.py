"""Who is neglected, who is listed, and in which order: given customers, then these."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.projections.web.neglect import QUIET_DAYS, with_neglect
from services.projections.web.points import Point, notable, read_point, standing
from services.projections.web.portfolio_page import shade_words, summarise
from services.projections.web.selection import (
    PAGE_SIZE,
    Selection,
    band,
    cross_table,
    listing,
    read_selection,
)
from tests.services.projections.web.fake import AS_OF

LONG_AGO = AS_OF - timedelta(days=QUIET_DAYS + 1)
LATELY = AS_OF - timedelta(days=QUIET_DAYS - 1)


def customer(name: str, amount: int = 10, **changes: Any) -> Point:
    plain = read_point(
        {
            "customer": name,
            "health": {"value": 70, "status": "ok", "coverage": 1},
            "wallet_share": {"basis": "unknown", "value": None},
            "spend": {"amount": str(amount), "currency": "GBP"},
        }
    )
    return replace(plain, **changes)


SMALL = [customer(f"small-{n}", 5, last_purchase=LONG_AGO) for n in range(9)]


@pytest.mark.parametrize(
    ("changes", "neglected"),
    [
        ({}, True),
        ({"last_contact": LONG_AGO}, True),
        ({"share": Decimal("0.49")}, True),
        ({"last_purchase": LATELY}, False),
        ({"last_contact": LATELY}, False),
        ({"share": Decimal("0.5")}, False),
        ({"last_purchase": None}, False),
        ({"amount": Decimal(4)}, False),
    ],
)
def test_neglected_is_high_spend_both_silent_and_no_large_share(
    changes: dict[str, Any], *, neglected: bool
) -> None:
    big = customer("big", 900, last_purchase=LONG_AGO)
    found = with_neglect([*SMALL, replace(big, **changes)], AS_OF)[-1]
    assert bool(found.neglected) == neglected


def test_the_reason_says_spend_and_silence_and_an_answered_reason_is_kept() -> None:
    big = customer("big", 900, last_purchase=LONG_AGO)
    assert with_neglect([*SMALL, big], AS_OF)[-1].neglected == "£900 spent, silent for 3 months"
    told = replace(big, neglected="nobody has called")
    assert with_neglect([*SMALL, told], AS_OF)[-1].neglected == "nobody has called"


def test_without_any_spend_nobody_is_neglected() -> None:
    nobody = customer("a", 0, last_purchase=LONG_AGO)
    assert with_neglect([nobody], AS_OF) == [nobody]


def test_the_notable_are_neglected_first_but_never_only_they() -> None:
    neglected = [customer(f"n{n}", 100 - n, neglected="silent") for n in range(20)]
    signals = [customer(f"s{n}", 50 - n, signals=("silence",)) for n in range(20)]
    low = [customer("low", 999, health=Decimal(12))]
    chosen = notable([*low, *signals, *neglected, customer("well", 5_000)], 10)
    assert [point.customer for point in chosen] == [
        *[f"n{n}" for n in range(7)],
        *[f"s{n}" for n in range(3)],
    ]
    assert [point.customer for point in notable([*low, *neglected[:2]], 10)] == ["n0", "n1", "low"]


def test_what_a_chart_point_says_names_the_unknown() -> None:
    said = standing(customer("a", last_purchase=LONG_AGO), AS_OF)
    assert said == (
        "health 70.0 of 100; wallet share unknown; £10.00 spent; last purchase 3 months before"
    )


def test_unknown_figures_come_last_in_every_order() -> None:
    points = [
        customer("none", health=None, share=None),
        customer("low", health=Decimal(10), share=Decimal("0.9")),
        customer("high", health=Decimal(90), share=Decimal("0.1")),
    ]

    def order(sort: str) -> list[str]:
        return [point.customer for point in listing(points, Selection(sort=sort)).points]

    assert order("health") == ["low", "high", "none"]
    assert order("best") == ["high", "low", "none"]
    assert order("share") == ["high", "low", "none"]


def test_the_longest_silence_comes_first_and_who_never_bought_last() -> None:
    points = [
        customer("never"),
        customer("lately", last_purchase=LATELY),
        customer("long", last_purchase=LONG_AGO),
    ]
    found = listing(points, Selection(sort="quiet")).points
    assert [point.customer for point in found] == ["long", "lately", "never"]


def test_a_page_past_the_end_is_the_last_page() -> None:
    points = [customer(f"{n:03}") for n in range(PAGE_SIZE + 3)]
    found = listing(points, Selection(page=99))
    assert (found.page, found.pages, found.total, len(found.points)) == (2, 2, PAGE_SIZE + 3, 3)


def test_bands_hold_every_customer_once_and_keep_unknown_apart_from_zero() -> None:
    points = [
        customer("a", health=Decimal(0), share=Decimal(0)),
        customer("b", health=None, share=None),
        customer("c", health=Decimal(100), share=Decimal(1)),
    ]
    assert cross_table(points) == {("0", "0"): 1, ("unknown", "unknown"): 1, ("80", "80"): 1}
    assert band(Decimal("19.999"), 100) == "0"
    assert band(Decimal(20), 100) == "20"
    found = listing(points, Selection(health_band="unknown", share_band="unknown"))
    assert [point.customer for point in found.points] == ["b"]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "-1"},
        {"page": "\N{SUPERSCRIPT TWO}"},
        {"page": "1" * 5_000},
        {"show": "<script>"},
        {"sort": "'; DROP"},
        {"health_band": "7"},
        {"share_band": "x"},
    ],
)
def test_what_is_not_understood_in_the_address_falls_back_to_the_plain_list(
    query: dict[str, str],
) -> None:
    assert read_selection(query) == Selection()


def test_a_link_keeps_what_was_chosen_and_starts_at_the_first_page() -> None:
    chosen = Selection(as_of="2011-06-30", show="low", sort="health", page=4)
    assert chosen.link(show="all") == "/?as_of=2011-06-30&sort=health"
    assert chosen.link(page=5) == "/?as_of=2011-06-30&show=low&sort=health&page=5"
    assert Selection().link() == "/"


def test_the_summary_counts_known_and_unknown_apart() -> None:
    counted = summarise(
        [customer("a", health=Decimal(10)), customer("b", health=None, share=Decimal(0))]
    )
    assert (counted.customers, counted.low, counted.share_known) == (2, 1, 1)
    assert counted.median == Decimal(10)
    assert summarise([]).median is None


def test_the_legend_leaves_no_count_out() -> None:
    assert [words for _, words in shade_words()] == [
        "1",
        "2 to 4",
        "5 to 9",
        "10 to 24",
        "25 or more",
    ]
