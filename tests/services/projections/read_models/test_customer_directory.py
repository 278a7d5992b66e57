"""Who counts as contacted, and which purchases count, in whatever order the facts arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.fold import fold
from services.projections.read_models.customer_directory.fold import NOBODY, pack, step, unpack
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
from services.projections.scoring.orders import KEPT_ORDERS

if TYPE_CHECKING:
    from random import Random

ORDERS = [
    (type_, {"order_id": name, "total": money(amount)})
    for type_ in ("purchase.completed", "purchase.returned")
    for name in ("a", "b", "c")
    for amount in ("5.00", "8.5", "8.50")
]
HISTORIES = st.lists(
    st.tuples(st.integers(0, 60000), st.sampled_from((*SENSIBLE, *ODD, *ORDERS)), st.just(0)),
    max_size=30,
)


@pytest.mark.parametrize(
    ("kind", "data", "ours"),
    [
        ("campaign.sent", {"campaign_id": "c", "arm": "treated"}, True),
        ("campaign.sent", {"campaign_id": "c", "arm": "held_out"}, False),
        ("contact.handled", {"direction": "outbound"}, True),
        ("contact.handled", {"direction": "inbound"}, False),
        ("complaint.responded", {}, True),
        ("complaint.opened", {}, False),
    ],
)
def test_only_what_we_did_is_our_contact(kind: str, data: dict[str, str], *, ours: bool) -> None:
    state = step(NOBODY, fact("2011-03-01", kind, data))
    assert state.last_contact == (moment("2011-03-01") if ours else None)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_whatever_is_read_first_the_same_is_left(
    drawn: list[tuple[int, Template, int]], dice: Random
) -> None:
    facts = list(history(drawn))
    state = fold(step, NOBODY, facts)
    dice.shuffle(facts)

    assert pack(fold(step, NOBODY, facts)) == pack(state)
    assert unpack(pack(state)) == state


def test_a_part_another_currency_an_unknown_order_and_a_free_one_cancel_nothing() -> None:
    state = fold(
        step,
        NOBODY,
        told(
            bought("2011-01-01", "5.00", order="a"),
            bought("2011-01-02", "5.00", order="b", currency="EUR"),
            returned("2011-02-01", "4.99", order="a"),
            returned("2011-02-01", "5.00", order="b"),
            returned("2011-02-01", "5.00", order="other"),
            bought("2011-01-03", "0.00", order="free"),
        ),
    )

    assert state.purchases == 3
    assert state.last_purchase == moment("2011-01-03")


def test_what_is_kept_of_orders_is_bounded_and_forgets_no_purchase() -> None:
    many = [bought(f"2011-01-{day:02}", order=f"o{day}") for day in range(1, KEPT_ORDERS + 5)]
    all_back = [
        returned("2011-02-01", "20.00", order=f"o{day}") for day in range(5, KEPT_ORDERS + 5)
    ]
    state = fold(step, NOBODY, told(*many))
    after = fold(step, state, all_back)

    assert (len(state.orders), state.purchases) == (KEPT_ORDERS, KEPT_ORDERS + 4)
    assert state.last_purchase == moment(f"2011-01-{KEPT_ORDERS + 4}")
    assert after.purchases == 4
    assert after.last_purchase == moment("2011-01-04")
