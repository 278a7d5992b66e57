"""Wallet shares: the check figures, and how sure they are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.fold import fold
from services.projections.scoring.examples import (
    ODD,
    SENSIBLE,
    Template,
    bought,
    fact,
    history,
    moment,
    money,
    returned,
    told,
)
from services.projections.scoring.orders import FIELDS, KEPT_FACTS, KEPT_ORDERS
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.times import day_of
from services.projections.scoring.wallet import Share, allocation, observed_share, shares
from services.projections.scoring.wallet_state import (
    KEPT_CATEGORIES,
    KEPT_DAYS,
    NO_WALLET,
    pack,
    step,
    unpack,
)

if TYPE_CHECKING:
    from events.facts import Fact

RULES = load_policy().wallet
WALLET = [
    each
    for each in (*SENSIBLE, *ODD)
    if "wallet" in each[0] or "purchase" in each[0] or "brands" in each[0]
]
HISTORIES = st.lists(
    st.tuples(st.integers(0, 60000), st.sampled_from(WALLET), st.just(0)), max_size=40
)


def seen(*facts: Fact, at: str) -> dict[str, Share]:
    return {
        share.category: share for share in shares(fold(step, NO_WALLET, told(*facts)), moment(at))
    }


def stated(at: str, period: str, amount: str, currency: str = "GBP") -> Fact:
    data = {"category": "gifts", "period": period, "total": money(amount, currency)}
    return fact(at, "wallet.stated", data)


def elsewhere(at: str) -> Fact:
    return fact(at, "outside_purchase.observed", {"category": "gifts"})


@pytest.mark.parametrize(
    ("brands", "shares_by_rank"),
    [(2, [0.6667, 0.3333]), (3, [0.5, 0.3333, 0.1667]), (4, [0.4, 0.3, 0.2, 0.1])],
)
def test_the_wallet_allocation_rule_gives_its_published_shares(
    brands: int, shares_by_rank: list[float]
) -> None:
    found = [allocation(rank, brands) for rank in range(1, brands + 1)]

    assert found == pytest.approx(shares_by_rank, abs=1e-4)


@given(st.integers(1, 100))
def test_allocated_shares_sum_to_one(brands: int) -> None:
    assert sum(allocation(rank, brands) for rank in range(1, brands + 1)) == pytest.approx(
        1, abs=1e-9
    )


def test_two_tied_brands_share_alike() -> None:
    ranked = {"category": "gifts", "rank": 1, "brands": 2, "tied": True}

    assert seen(fact("2011-01-01", "brands.ranked", ranked), at="2011-01-02")[
        "gifts"
    ].value == Decimal("0.5000")


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_observed_share_has_the_posteriors_mean_and_holds_it(ours: int, others: int) -> None:
    mean, low, high = observed_share(ours, others, RULES)

    assert mean == pytest.approx((2 * 0.5 + ours) / (2 + ours + others))
    assert 0 <= low < mean < high <= 1


def test_the_observed_interval_is_the_beta_margins() -> None:
    """Beta(4, 2): P(X < x) = 5 x^4 - 4 x^5."""
    _, low, high = observed_share(3, 1, RULES)

    assert 5 * low**4 - 4 * low**5 == pytest.approx(0.05)
    assert 5 * high**4 - 4 * high**5 == pytest.approx(0.95)


def test_a_statement_outranks_what_was_observed_until_it_expires() -> None:
    facts = (
        bought("2011-01-05", "50.00"),
        elsewhere("2011-01-06"),
        stated("2011-02-01", "2011-01", "100.00"),
    )

    assert seen(*facts, at="2011-02-02")["gifts"].basis == "measured"
    assert seen(*facts, elsewhere("2014-03-01"), at="2014-03-02")["gifts"].basis == "observed"
    assert seen(*facts, at="2014-03-02")["gifts"].basis == "unknown"


def test_a_measured_interval_only_widens_with_age() -> None:
    facts = (bought("2011-01-05", "30.00"), stated("2011-02-01", "2011-01", "100.00"))
    widths: list[Decimal] = []
    for days in range(0, 1000, 50):
        share = seen(*facts, at=(moment("2011-02-01") + timedelta(days=days)).isoformat())["gifts"]
        assert share.value == Decimal("0.3000")
        assert share.low is not None
        assert share.high is not None
        widths.append(share.high - share.low)

    assert widths == sorted(widths)
    assert len(set(widths)) == len(widths)


def test_of_a_year_that_is_not_over_only_the_part_gone_by_is_compared() -> None:
    share = seen(
        bought("2011-01-05", "30.00"),
        stated("2011-01-10", "2011", "1200.00"),
        at="2011-03-14T12:00",
    )["gifts"]

    assert share.flags == ("prorated",)
    assert share.value == Decimal("0.1250")


def test_a_clamped_share_keeps_both_figures() -> None:
    share = seen(
        bought("2011-01-05", "300.00"), stated("2011-02-01", "2011-01", "100.00"), at="2011-02-01"
    )["gifts"]

    assert share.value == Decimal("1.0000")
    assert share.flags == ("clamped",)
    assert share.evidence == (
        "The customer stated 100.00 GBP for 1 January 2011 to 31 January 2011.",
        "Own spend in those days, net of returns: 300.00 GBP.",
    )


def test_more_returned_than_bought_is_no_share_below_zero() -> None:
    facts = (
        bought("2010-12-30", "50.00"),
        returned("2011-01-05", "20.00"),
        stated("2011-02-01", "2011-01", "100.00"),
    )
    share = seen(*facts, at="2011-02-01")["gifts"]

    assert (share.value, share.low, share.high) == (0, 0, 0)
    assert share.flags == ("returns_exceed",)


def test_a_wallet_of_nothing_and_one_out_of_memory_measure_nothing() -> None:
    assert (
        seen(bought("2011-01-05"), stated("2011-02-01", "2011-01", "0.00"), at="2011-02-01")[
            "gifts"
        ].basis
        == "unknown"
    )
    old = (bought("2008-01-05"), stated("2011-01-01", "2008-01", "100.00"), bought("2011-02-01"))
    assert seen(*old, at="2011-02-01")["gifts"].basis == "unknown"


def test_orders_of_two_categories_are_split_by_their_items() -> None:
    items = [
        {"sku": "a", "quantity": 2, "unit_price": money("4.35"), "category": "gifts"},
        {"sku": "b", "quantity": 0.5, "unit_price": money("3.00"), "category": "toys"},
        {"sku": "c", "quantity": 1, "unit_price": money("1.00")},
    ]
    order = fact(
        "2011-01-05",
        "purchase.completed",
        {"order_id": "o", "total": money("11.00"), "items": items},
    )
    state = fold(step, NO_WALLET, told(order))

    assert {
        name: [str(sum(days.values())) for days in each.spend.values()]
        for name, each in state.categories.items()
    } == {
        "gifts": ["8.70"],
        "toys": ["1.50"],
        "uncategorised": ["1.00"],
    }


def test_the_next_question_is_the_one_that_narrows_most_and_none_if_none_would() -> None:
    wallet = "What did you spend on gifts in the last twelve months, wherever you bought it?"
    fresh = (bought("2011-01-05", "30.00"), stated("2011-02-01", "2011-01", "100.00"))
    many = [bought(f"2011-01-{day:02}") for day in range(1, 31)]

    assert seen(bought("2011-01-05"), at="2011-02-01")["gifts"].next_question == wallet
    assert seen(*fresh, at="2011-02-01")["gifts"].next_question is None
    assert seen(*fresh, at="2013-02-01")["gifts"].next_question == wallet
    assert (
        seen(bought("2011-01-05"), elsewhere("2011-01-06"), at="2011-02-01")["gifts"].next_question
        == wallet
    )
    assert seen(*many, elsewhere("2011-01-06"), at="2011-02-01")["gifts"].next_question is None


@given(HISTORIES, st.integers(0, 1000))
def test_order_does_not_matter_to_the_last_byte(
    drawn: list[tuple[int, Template, int]], seed: int
) -> None:
    facts = list(history(drawn, begin="2008-01-01"))
    state = fold(step, NO_WALLET, facts)
    Random(seed).shuffle(facts)  # noqa: S311 - an order, not a secret
    shuffled = fold(step, NO_WALLET, facts)

    assert pack(shuffled) == pack(state)
    assert unpack(pack(state)) == state


ORDERS = [
    (type_, {"order_id": name, "total": money(amount), "items": items})
    for type_, amounts in (
        ("purchase.completed", ("5.00", "8.5")),
        ("purchase.returned", ("5.00", "3.50", "8.50")),
    )
    for name in ("a", "b")
    for amount in amounts
    for items in ([], [{"category": "gifts"}], [{"category": "gifts"}, {"category": "toys"}])
]
OF_A_FEW_ORDERS = st.lists(
    st.tuples(st.integers(0, 40000), st.sampled_from(ORDERS), st.just(0)), max_size=10
)


@given(OF_A_FEW_ORDERS, st.randoms(use_true_random=False))
def test_whichever_of_purchase_and_return_is_read_first_the_same_is_left(
    drawn: list[tuple[int, Template, int]], dice: Random
) -> None:
    facts = list(history(drawn, begin="2008-01-01"))
    state = fold(step, NO_WALLET, facts)
    dice.shuffle(facts)

    assert pack(fold(step, NO_WALLET, facts)) == pack(state)
    assert unpack(pack(state)) == state


@given(OF_A_FEW_ORDERS, st.randoms(use_true_random=False))
def test_an_order_wholly_returned_leaves_the_evidence_of_one_that_never_was(
    drawn: list[tuple[int, Template, int]], dice: Random
) -> None:
    others = list(history(drawn, begin="2008-01-01"))
    gone = [
        bought("2008-02-01", "20.00", order="gone", category="toys"),
        returned("2009-01-01", "12.00", order="gone"),
        returned("2009-01-02", "8.00", order="gone"),
    ]
    facts = [*others, *gone]
    dice.shuffle(facts)
    without = fold(step, NO_WALLET, others)

    if without.newest >= day_of(gone[-1].occurred_at.timestamp()):
        assert fold(step, NO_WALLET, facts).categories == without.categories


def test_a_return_that_says_no_price_of_its_lines_cancels_too() -> None:
    items = [{"sku": "a", "quantity": 1, "category": name} for name in ("gifts", "toys")]
    order = {"order_id": "o", "total": money("11.00"), "items": items}
    state = fold(
        step,
        NO_WALLET,
        told(
            fact("2011-01-05", "purchase.completed", order),
            fact("2011-01-06", "purchase.returned", order),
        ),
    )

    assert state.categories == {}


def test_of_many_orders_the_newest_can_still_be_cancelled() -> None:
    many = [bought(f"2011-01-{day:02}", order=f"o{day}") for day in range(1, KEPT_ORDERS + 5)]
    state = fold(step, NO_WALLET, told(*many))
    newest = step(state, returned("2011-02-01", "20.00", order=f"o{KEPT_ORDERS + 4}"))
    forgotten = step(state, returned("2011-02-01", "20.00", order="o1"))

    assert len(state.orders) == len(forgotten.orders) == KEPT_ORDERS
    assert sum(newest.categories["gifts"].own.values()) == len(many) - 1
    assert sum(forgotten.categories["gifts"].own.values()) == len(many)


def test_an_order_of_endless_facts_is_bounded_and_stands() -> None:
    parts = [bought(f"2011-01-{day:02}", order="o") for day in range(1, KEPT_FACTS + 5)]
    state = fold(step, NO_WALLET, told(*parts, returned("2011-02-01", "9999.00", order="o")))

    assert state.orders["o"][FIELDS:] == [{}]
    assert sum(state.categories["gifts"].own.values()) == len(parts)


@given(HISTORIES)
def test_every_share_is_unknown_or_lies_in_its_interval(
    drawn: list[tuple[int, Template, int]],
) -> None:
    for share in shares(
        fold(step, NO_WALLET, history(drawn, begin="2008-01-01")), moment("2015-01-01")
    ):
        if share.basis == "unknown":
            assert share.value is share.low is share.high is share.level is None
            assert share.next_question
        else:
            assert share.value is not None
            assert share.low is not None
            assert share.high is not None
            assert 0 <= share.low <= share.value <= share.high <= 1


def test_days_and_categories_are_bounded() -> None:
    many = [
        bought("2011-01-05", category=f"category-{number:03}")
        for number in range(KEPT_CATEGORIES + 5)
    ]
    old = [bought("2001-01-05"), bought("2011-01-05")]
    wide = fold(step, NO_WALLET, told(*many))
    long = fold(step, NO_WALLET, told(*old)).categories["gifts"]

    assert len(wide.categories) == KEPT_CATEGORIES
    assert len(long.own) == 1
    assert max(long.own) - min(long.own) < KEPT_DAYS


def test_categories_beyond_the_limit_are_the_same_in_any_order() -> None:
    many = [
        bought("2011-01-05", category=f"category-{number:03}")
        for number in range(KEPT_CATEGORIES + 5)
    ]

    assert pack(fold(step, NO_WALLET, told(*reversed(many)))) == pack(
        fold(step, NO_WALLET, told(*many))
    )


def test_a_part_of_a_year_is_less_sure_than_the_whole() -> None:
    spent, at = bought("2011-01-05", "30.00"), "2011-03-14T12:00"
    gone_by = stated("2011-01-10", "2011-01-01/2011-03-14", "240.00")
    part = seen(spent, stated("2011-01-10", "2011", "1200.00"), at=at)["gifts"]
    whole = seen(spent, gone_by, at=at)["gifts"]

    assert part.value == whole.value
    assert part.high is not None
    assert whole.high is not None
    assert part.high > whole.high
