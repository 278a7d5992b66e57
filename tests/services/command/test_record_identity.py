"""An event that is not stored changes nobody's identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.services.command.house import BATCH, complaint
from tests.services.command.test_record import EARLY

if TYPE_CHECKING:
    from tests.services.command.house import House

NEW = "loyalty:new-7"


def naming(*identifiers: str, **changes: Any) -> dict[str, Any]:
    """The shop's complaint, naming more identifiers of its customer."""
    data = {"complaint_id": "k-1", "about": "delivery", "identifiers": list(identifiers)}
    return complaint(data=data) | changes


def customers(house: House) -> int:
    """How many customers there are."""
    [(count,)] = house.rows(b"SELECT count(*) FROM vault.keys")
    return count


@pytest.mark.parametrize("subject", ["crm:4711", "crm:nobody-yet"])
def test_a_conflict_links_no_identifier_and_makes_no_customer(house: House, subject: str) -> None:
    house.post(complaint())

    assert house.post(naming(NEW, subject=subject)).status_code == 409

    assert (house.vault.find(NEW), customers(house)) == (None, 1)


def test_a_duplicate_makes_nobody_again(house: House) -> None:
    first = house.post(naming(NEW)).json()
    with house.pool.connection() as connection:
        connection.execute(b"DELETE FROM vault.identifiers")

    again = house.post(naming(NEW))

    assert (again.status_code, again.json()["position"]) == (200, first["position"])
    assert (house.vault.find(NEW), customers(house)) == (None, 1)


def test_a_conflict_within_one_request_links_no_identifier(house: House) -> None:
    batch = [complaint(), naming(NEW, subject="crm:nobody-yet"), complaint()]

    results = house.post(batch, BATCH).json()["results"]

    assert [each["status"] for each in results] == ["stored", "conflict", "duplicate"]
    assert (house.vault.find(NEW), customers(house)) == (None, 1)


def test_a_repeat_of_a_refused_event_is_judged_by_itself(house: House) -> None:
    nobody = "customer:00000000-0000-4000-8000-000000000000"
    batch = [complaint(subject=nobody), complaint()]

    results = house.post(batch, BATCH).json()["results"]

    assert [each["status"] for each in results] == ["rejected", "stored"]


def test_a_quarantined_event_links_no_identifier_to_a_known_customer(house: House) -> None:
    house.post(complaint())
    early = naming(NEW, id="c-2", time=EARLY)

    assert house.post(early).json()["type"] == "quarantined"
    assert (house.vault.find(NEW), customers(house)) == (None, 1)

    house.post(early | {"time": complaint()["time"]})
    assert house.vault.find(NEW) == house.vault.find("crm:4711")


def test_a_quarantined_event_of_somebody_new_leaves_nobody_behind(house: House) -> None:
    """Nor does it of somebody new whom it names: not a name, and no key but the row's own."""
    data = {"referral_id": "r-1", "referred": "email:friend@example.org", "identifiers": [NEW]}
    early = complaint(type="referral.made", data=data, time=EARLY)

    for _ in range(2):
        assert house.post(early).json()["type"] == "quarantined"

    assert house.rows(b"SELECT count(*) FROM vault.identifiers") == [(0,)]
    [(own, names, others)] = house.rows(b"SELECT own, names, others FROM ops.quarantine")
    assert {stream for (stream,) in house.rows(b"SELECT stream FROM vault.keys")} == set(own)
    assert (len(names), len(others)) == (2, 1)


def test_the_unknown_whom_a_known_customers_quarantined_event_names_stay_unknown(
    house: House,
) -> None:
    house.post(complaint())
    data = {"referral_id": "r-1", "referred": "email:friend@example.org"}
    early = complaint(id="r-1", type="referral.made", data=data, time=EARLY)

    assert house.post(early).json()["type"] == "quarantined"

    assert house.rows(b"SELECT kind FROM vault.identifiers") == [("crm",)]
    [(own,)] = house.rows(b"SELECT own FROM ops.quarantine")
    assert (len(own), customers(house)) == (1, 2)


def test_somebody_named_by_an_event_that_counts_is_a_customer_in_the_quarantined_one_too(
    house: House,
) -> None:
    batch = [complaint(time=EARLY), complaint(id="c-2")]

    results = house.post(batch, BATCH).json()["results"]

    assert [each["status"] for each in results] == ["quarantined", "stored"]
    assert house.vault.find("crm:4711") is not None
    early = complaint(id="c-3", time=EARLY)
    assert house.post(early).json()["type"] == "quarantined"
    assert customers(house) == 2, "the customer, and the key of the row that came before them"


def test_an_event_refused_for_whom_it_names_leaves_nobody_behind(house: House) -> None:
    nobody = "customer:00000000-0000-4000-8000-000000000000"
    data = {"referral_id": "r-1", "referred": nobody, "identifiers": [NEW]}

    assert house.post(complaint(type="referral.made", data=data)).status_code == 422

    assert (house.vault.find("crm:4711"), customers(house)) == (None, 0)
