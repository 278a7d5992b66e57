"""The simulator: repeatable, labelled, valid, and within what really happened."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalog import catalog
from events.envelope import Envelope, read_envelope
from rapport.load import load_events
from rapport.samples.online_retail import SHOP_TIME, Invoice, invoices
from rapport.simulate import SampleTooLarge, simulate
from rapport.simulation.histories import History, histories

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapport.client import Client
    from tests.rapport.conftest import FakePlatform

Events = list[dict[str, Any]]
CUSTOMERS = 1_500


@pytest.fixture(scope="module")
def real() -> list[Invoice]:
    return list(invoices())


@pytest.fixture(scope="module")
def known(real: list[Invoice]) -> dict[str, History]:
    return {history.subject: history for history in histories(real).values()}


@pytest.fixture(scope="module")
def sample(real: list[Invoice]) -> Events:
    return list(simulate(CUSTOMERS, 7, real))


def of(events: Events, kind: str) -> Events:
    return [event for event in events if event["type"] == kind]


def when(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_the_same_seed_gives_the_same_bytes_for_ever(real: list[Invoice]) -> None:
    """If this fails, loading the sample again gives conflicts: change ids along with the model."""
    told = orjson.dumps(list(simulate(40, 7, real)))

    assert hashlib.sha256(told).hexdigest() == (
        "2d959d627ebbb6f512ac2777f55da6135e5904b19d9d83dd6266d1309c2160d3"
    )


def test_a_larger_sample_repeats_the_smaller_one(real: list[Invoice], sample: Events) -> None:
    smaller = list(simulate(100, 7, real))

    assert sample[: len(smaller)] == smaller


def test_another_seed_tells_another_story(real: list[Invoice], sample: Events) -> None:
    other = list(simulate(100, 8, real))

    assert {event["subject"] for event in other} != {event["subject"] for event in sample[:1_000]}
    assert {event["source"] for event in other} == {"simulator/sample-8"}


def test_every_event_is_labelled_and_has_its_own_id(sample: Events) -> None:
    assert {event["source"] for event in sample} == {"simulator/sample-7"}
    assert len({event["id"] for event in sample}) == len(sample)


def test_every_event_is_a_good_one_by_the_catalog(sample: Events) -> None:
    words = catalog()

    for event in sample:
        assert isinstance(read_envelope(event), Envelope), event
        assert words.check(event["type"], None, event["data"]) == [], event


def test_the_touchpoints_that_invoices_lack_are_all_there(sample: Events) -> None:
    assert {event["type"] for event in sample} == {
        "brands.ranked",
        "campaign.sent",
        "complaint.opened",
        "complaint.reopened",
        "complaint.resolved",
        "complaint.responded",
        "contact.handled",
        "delivery.completed",
        "outside_purchase.observed",
        "promise.broken",
        "promise.kept",
        "promise.made",
        "referral.converted",
        "referral.made",
        "review.published",
        "survey.answered",
        "wallet.stated",
    }


def test_events_lie_within_the_customers_own_real_time(
    sample: Events, known: dict[str, History], real: list[Invoice]
) -> None:
    for event in sample:
        assert known[event["subject"]].purchases[0].at <= when(event) <= real[-1].at


def test_each_customer_is_told_once_and_by_time(sample: Events) -> None:
    told: dict[str, datetime] = {}
    previous = ""
    for event in sample:
        subject = event["subject"]
        assert subject == previous or subject not in told
        assert told.get(subject, when(event)) <= when(event)
        told[subject], previous = when(event), subject


def test_deliveries_follow_real_purchases(sample: Events, known: dict[str, History]) -> None:
    deliveries = of(sample, "delivery.completed")

    assert len(deliveries) > 5_000
    for event in deliveries:
        bought = {deal.number: deal.at for deal in known[event["subject"]].purchases}
        assert bought[event["data"]["order_id"]] < when(event)


def test_a_complaint_goes_its_way_in_order(sample: Events) -> None:
    allowed = {
        None: {"complaint.opened"},
        "complaint.opened": {"complaint.responded"},
        "complaint.responded": {"complaint.resolved"},
        "complaint.resolved": {"complaint.reopened"},
        "complaint.reopened": {"complaint.resolved"},
    }
    last: dict[str, str] = {}
    for event in sample:
        if event["type"].startswith("complaint."):
            complaint = event["data"]["complaint_id"]
            assert event["type"] in allowed[last.get(complaint)]
            last[complaint] = event["type"]

    ends = Counter(last.values())
    assert ends["complaint.resolved"] > ends["complaint.responded"] > 20


def test_promises_are_kept_by_their_day_and_broken_after_it(sample: Events) -> None:
    due = {
        event["data"]["promise_id"]: datetime.fromisoformat(event["data"]["due_at"])
        for event in of(sample, "promise.made")
    }
    kept, broken = of(sample, "promise.kept"), of(sample, "promise.broken")

    assert all(when(event) <= due[event["data"]["promise_id"]] for event in kept)
    assert all(when(event) > due[event["data"]["promise_id"]] for event in broken)
    assert 0 < len(broken) < len(kept) < len(due) - len(broken)


def test_most_customers_are_ordinary_and_some_are_wronged(sample: Events) -> None:
    complained = {event["subject"] for event in of(sample, "complaint.opened")}
    stars = Counter(event["data"]["rating"] for event in of(sample, "review.published"))

    assert 0.08 < len(complained) / CUSTOMERS < 0.3
    assert set(stars) == {1, 2, 3, 4, 5}
    assert stars[4] + stars[5] > 2 * (stars[1] + stars[2])


def test_four_in_ten_state_a_wallet_that_holds_what_they_spent_here(
    sample: Events, known: dict[str, History]
) -> None:
    stated = of(sample, "wallet.stated")
    spans = [event for event in stated if event["data"]["period"] == "P90D"]
    too_small = 0
    for event in spans:
        last = when(event).date()
        own = known[event["subject"]].spent(last - timedelta(days=90), last)
        too_small += Decimal(event["data"]["total"]["amount"]) * 100 < own

    assert 0.33 < len(stated) / CUSTOMERS < 0.43
    assert 0 < too_small < 0.1 * len(spans)


def test_referrals_form_chains_without_a_circle(real: list[Invoice]) -> None:
    buyers = len({each.customer for each in real if not each.is_return})
    told = list(simulate(buyers, 7, real))
    referrer: dict[str, str] = {}
    for event in of(told, "referral.converted"):
        assert event["data"]["referred"] not in referrer
        referrer[event["data"]["referred"]] = event["subject"]

    assert len(set(referrer) & set(referrer.values())) > 10
    for start in referrer:
        seen, at = {start}, start
        while at in referrer:
            at = referrer[at]
            assert at not in seen
            seen.add(at)


def test_loading_a_sample_twice_gives_duplicates_and_no_conflict(
    client: Client, platform: FakePlatform, real: list[Invoice]
) -> None:
    first = load_events(client, simulate(60, 3, real))
    second = load_events(client, simulate(80, 3, real))

    assert first.stored == second.duplicate > 0
    assert (second.conflict, second.rejected) == (0, 0)
    assert len(platform.stored) == second.done


@pytest.mark.parametrize("customers", [-1, 0, 5_882])
def test_more_customers_than_there_are_is_refused_at_once(
    real: list[Invoice], customers: int
) -> None:
    with pytest.raises(SampleTooLarge, match="ask for 1 to 5,881"):
        simulate(customers, 1, real)


@st.composite
def small_shops(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Invoice]:
    """A few customers with a few invoices, by time; the first one buys at least once."""
    times = st.datetimes(datetime(2009, 12, 1), datetime(2011, 12, 9))  # noqa: DTZ001 # zone below
    rows = st.tuples(times, st.integers(1, 4), st.booleans(), st.sampled_from(["0", "0.001", "9"]))
    drawn = [(datetime(2010, 1, 1), 0, False, "5"), *draw(st.lists(rows, max_size=25))]  # noqa: DTZ001 # zone below
    return [
        Invoice(
            number=f"{'C' if back else ''}{place}",
            customer=str(customer),
            country="EIRE" if customer % 2 else "United Kingdom",
            at=time.replace(second=0, microsecond=0, tzinfo=SHOP_TIME),
            skus=["A"],
            quantities=[-3 if back else 3],
            prices=[price],
        )
        for place, (time, customer, back, price) in enumerate(sorted(drawn))
    ]


@settings(max_examples=60, deadline=None)
@given(small_shops(), st.integers())
def test_whatever_was_bought_the_events_told_about_it_are_good(
    shop: list[Invoice], seed: int
) -> None:
    words = catalog()
    buyers = {invoice.customer for invoice in shop if not invoice.is_return}

    told = list(simulate(len(buyers), seed, shop))

    for event in told:
        assert isinstance(read_envelope(event), Envelope)
        assert words.check(event["type"], None, event["data"]) == []
    assert len({event["id"] for event in told}) == len(told)
