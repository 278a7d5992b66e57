"""Whoever is not to be recorded does not come back by a later event, and does when released."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from events.identifiers import parse_identifier
from infra.plumbing.vault import erasure
from tests.services.command.house import complaint
from tests.services.command.privacy.office import (
    ADA,
    CARD,
    EARLY,
    about_ada,
    bodies,
    canaries_in,
    everything,
    naming_ada,
    statuses,
)
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from tests.services.command.privacy.office import Office


def known_names(office: Office) -> int:
    return office.count("vault.identifiers")


@pytest.mark.parametrize("met", [0, 1])
def test_an_id_of_an_erased_customers_event_swallows_no_other_event(
    office: Office, met: int
) -> None:
    """Their content is gone, so type and time are compared; whom we met before makes no odds."""
    office.house.post(about_ada())
    office.done("erase", ADA)
    for number in range(met):
        office.house.post(complaint(id=f"bob-{number}", subject="crm:bob"))

    other = complaint(id="c-1", subject="crm:bob", time="2026-01-02T03:04:05Z")
    assert office.house.post(other).status_code == 409
    assert office.house.post(about_ada()).json()["status"] == "duplicate"


def test_an_old_event_of_an_erased_person_is_a_duplicate_and_brings_nobody_back(
    office: Office,
) -> None:
    first = office.house.post(about_ada()).json()
    office.done("erase", ADA)

    again = office.house.post(about_ada()).json()
    assert again == first | {"status": "duplicate"}
    assert (known_names(office), office.count("vault.keys")) == (0, 0)
    assert office.count("ops.quarantine") == 0


def test_a_new_event_of_an_erased_person_waits_in_quarantine(office: Office) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)

    answer = office.house.post(about_ada("c-2"))
    assert (answer.status_code, answer.json()["type"]) == (422, "quarantined")
    assert answer.json()["errors"][0]["pointer"] == "/subject"
    by_card = complaint(id="c-3", subject=CARD)
    assert statuses(office, about_ada("c-2"), by_card) == ["quarantined"] * 2
    assert known_names(office) == 0
    assert office.house.ledger.size() == 2
    rows = office.house.rows(b"SELECT event_id, reason FROM ops.quarantine ORDER BY id")
    assert rows == [("c-2", "suppressed"), ("c-3", "suppressed")]
    assert office.count("vault.keys") == 2, "one key for each row, however often it is sent"


def test_any_one_name_of_an_erased_person_is_enough(office: Office) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)
    disguised = about_ada("c-2") | {"subject": "cookie:new"}

    assert statuses(office, disguised) == ["quarantined"]
    assert known_names(office) == 0


def test_a_released_person_begins_anew_with_all_that_waited(office: Office) -> None:
    old = office.house.post(about_ada()).json()["customer"]
    office.done("erase", ADA)
    waiting = [about_ada("c-2"), complaint(id="c-3", subject=CARD), about_ada("c-4", time=EARLY)]
    assert statuses(office, *waiting) == ["quarantined"] * 3

    told = office.done("release", CARD)
    assert {each["store"]: each["count"] for each in told["stores"]} == {
        "ledger.events": 0,
        "ops.quarantine": 2,
        "left in ops.quarantine": 1,
    }
    new = office.house.vault.find(ADA)
    assert new is not None
    assert str(new) != old
    assert office.house.vault.find(CARD) == new
    assert [body["id"] for body in bodies(office.house, new)] == ["c-2", "c-3"]
    assert statuses(office, about_ada("c-2"), about_ada("c-5")) == ["duplicate", "stored"]


def test_one_persons_release_brings_back_nobody_else(office: Office) -> None:
    for ref in (ADA, "crm:bob"):
        office.house.post(complaint(id=f"of {len(ref)}", subject=ref))
        office.done("erase", ref)
    late = [complaint(id="late a", subject=ADA), complaint(id="late b", subject="crm:bob")]
    assert statuses(office, *late) == ["quarantined"] * 2

    told = office.done("release", "crm:bob")
    assert [each["count"] for each in told["stores"]] == [0, 1, 0]
    assert office.house.vault.find(ADA) is None
    assert office.house.rows(b"SELECT event_id FROM ops.quarantine") == [("late a",)]


def test_anothers_event_that_names_the_erased_is_stored_without_them(
    office: Office, owner_conninfo: str
) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)

    assert statuses(office, naming_ada()) == ["stored"]
    bob = office.house.vault.find("crm:bob")
    assert bob is not None
    [body] = bodies(office.house, bob)
    assert office.house.vault.keys([body["data"]["referred"]["key"]]) == {}
    assert known_names(office) == 1
    assert canaries_in(everything(owner_conninfo)) == []


@pytest.mark.parametrize("suppressed", [False, True])
def test_anothers_event_names_a_customer_readably_unless_they_are_suppressed(
    office: Office, *, suppressed: bool
) -> None:
    office.house.post(about_ada())
    if suppressed:
        office.done("suppress", ADA)

    assert statuses(office, naming_ada()) == ["stored"]
    bob = office.house.vault.find("crm:bob")
    assert bob is not None
    [body] = bodies(office.house, bob)
    assert (office.house.vault.keys([body["data"]["referred"]["key"]]) == {}) is suppressed


def test_a_suppressed_customer_keeps_their_history_and_gets_no_more_of_it(office: Office) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    told = office.done("suppress", CARD)
    assert told["customer"] == stream

    by_uuid = complaint(id="c-3", subject=f"customer:{stream}")
    new_name = complaint(id="c-4", subject=ADA) | {
        "data": {"complaint_id": "k", "about": "other", "identifiers": ["crm:new"]}
    }
    assert statuses(office, about_ada("c-2"), by_uuid, new_name) == ["quarantined"] * 3
    assert statuses(office, about_ada()) == ["duplicate"]
    assert office.house.vault.find("crm:new") is None
    assert [fact.type for fact in office.house.ledger.history(UUID(stream))] == [
        "complaint.opened",
        "suppression.set",
    ]


def test_a_suppressed_customer_is_released_under_the_name_they_had(office: Office) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    office.done("suppress", ADA)
    statuses(office, about_ada("c-2"))
    office.done("release", stream)

    assert [body["id"] for body in bodies(office.house, stream)][-1] == "c-2"
    assert [body["data"].get("in_force") for body in bodies(office.house, stream)] == [
        None,
        True,
        False,
        None,
    ]
    assert statuses(office, about_ada("c-3")) == ["stored"]


def test_a_suppressed_customer_can_be_erased_and_released_anew(office: Office) -> None:
    old = office.house.post(about_ada()).json()["customer"]
    office.done("suppress", ADA)
    statuses(office, about_ada("c-2"))
    office.done("erase", ADA)
    assert statuses(office, about_ada("c-3")) == ["quarantined"]

    office.done("release", ADA)
    new = office.house.vault.find(ADA)
    assert new is not None
    assert str(new) != old
    assert {body["id"] for body in bodies(office.house, new)} == {"c-3"}, "c-2 was erased too"


def test_a_name_nobody_has_can_be_suppressed_before_it_comes(
    office: Office, owner_conninfo: str
) -> None:
    assert office.done("suppress", ADA)["customer"] is None
    assert statuses(office, about_ada()) == ["quarantined"]
    assert known_names(office) == 0
    assert office.house.rows(b"SELECT hash, person FROM ops.privacy_requests") == [(None, None)]
    assert canaries_in(everything(owner_conninfo)) == []


def test_what_waits_about_a_suppressed_name_can_be_erased(office: Office) -> None:
    office.done("suppress", ADA)
    statuses(office, about_ada())
    told = office.done("erase", ADA)
    assert [(each["store"], each["count"]) for each in told["stores"]] == [
        ("withheld in ops.quarantine", 1),
        ("files", 0),
    ]
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 0)
    assert statuses(office, about_ada()) == ["quarantined"]


def test_the_list_does_not_lead_to_the_customer_who_was_erased(office: Office) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    told = office.done("erase", ADA)
    names = {name for (name,) in office.house.rows(b"SELECT person FROM vault.suppressed")}
    assert len(names) == 1
    assert {str(name) for name in names}.isdisjoint({stream, told["id"]})
    columns = office.house.rows(
        b"SELECT column_name FROM information_schema.columns"
        b" WHERE table_schema = 'vault' AND table_name = 'suppressed' ORDER BY 1"
    )
    assert columns == [("hash",), ("person",), ("released",)]


def test_a_name_that_comes_while_it_is_being_erased_is_not_remembered(office: Office) -> None:
    """A writer that has looked before the erasure must not write after it."""
    house = office.house
    stream = UUID(house.post(about_ada()).json()["customer"])
    named = [parse_identifier(text) for text in (ADA, "crm:new")]
    with house.pool.connection() as eraser, ThreadPoolExecutor(1) as other:
        erasure.forget(eraser, house.vault.hashes, stream)
        writer = other.submit(house.vault.people, [named])
        wait_until(lambda: _waits_for_the_list(office))
        eraser.commit()
        [person] = writer.result(10)

    assert person is not None
    assert person.withheld is not None
    assert house.vault.find("crm:new") is None
    assert known_names(office) == 0


def test_an_early_event_never_outlives_the_key_it_is_sealed_under(office: Office) -> None:
    """Sealed before the erasure, set aside after it: refused for now, and withheld next time."""
    house = office.house
    stream = UUID(house.post(about_ada()).json()["customer"])
    people, answers = house.vault.people, list[int]()

    def erased_meanwhile(named: Any, **how: Any) -> Any:
        found = people(named, **how)
        if not answers:
            answers.append(0)
            office.done("erase", str(stream))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.vault, "people", erased_meanwhile)
        assert house.post(about_ada("c-2", time=EARLY)).status_code == 503
    assert office.count("ops.quarantine") == 0
    assert statuses(office, about_ada("c-2", time=EARLY)) == ["quarantined"]


def _waits_for_the_list(office: Office) -> bool:
    waiting = office.house.rows(
        b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        b" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return waiting != [(0,)]
