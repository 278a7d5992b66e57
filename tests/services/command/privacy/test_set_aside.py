"""What was set aside for its time alone goes with the person, and waits with one not recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.command.house import BATCH, complaint
from tests.services.command.privacy.office import (
    ADA,
    CARD,
    EARLY,
    WORDS,
    about_ada,
    canaries_in,
    everything,
    naming_ada,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from uuid import UUID

    from services.command.service import CommandService
    from tests.services.command.privacy.office import Office

LATER = datetime(2026, 3, 2, tzinfo=UTC)
BOB = "crm:bob"


@pytest.fixture
def tomorrow(office: Office) -> Generator[CommandService]:
    """The command service when the time of EARLY has come."""
    house = office.house
    with house.another(clock=lambda: LATER) as service:
        yield service


def early(office: Office, *events: dict[str, Any]) -> None:
    results = office.house.post([each | {"time": EARLY} for each in events], BATCH).json()
    assert [each["status"] for each in results["results"]] == ["quarantined"] * len(events)


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {each["store"]: each["count"] for each in told["stores"]}


def nothing_is_left(office: Office, conninfo: str) -> bool:
    tables = ("ops.quarantine", "vault.keys", "vault.identifiers")
    return not any(map(office.count, tables)) and canaries_in(everything(conninfo)) == []


def waiting_of(office: Office, ref: str) -> list[dict[str, Any]]:
    """The events in quarantine that an access export shows, opened."""
    told = office.done("access", ref)
    return [each["event"] for each in office.get(told["export"]).json()["quarantine"]]


def reasons(office: Office) -> list[tuple[str, str]]:
    return office.house.rows(b"SELECT event_id, reason FROM ops.quarantine ORDER BY id")


@pytest.mark.parametrize("ref", [ADA, CARD])
@pytest.mark.parametrize("event", [about_ada, naming_ada])
def test_a_person_of_whom_only_a_quarantined_event_knows_can_be_erased(
    office: Office,
    owner_conninfo: str,
    tomorrow: CommandService,
    event: Callable[[], dict[str, Any]],
    ref: str,
) -> None:
    early(office, event())
    if event is naming_ada and ref is CARD:
        assert office.ask("erase", ref).status_code == 404, "nothing of that name is there"
        return

    told = office.done("erase", ref)

    assert counts(told) == {"withheld in ops.quarantine": 1, "files": 0}
    assert nothing_is_left(office, owner_conninfo)
    assert office.house.post(complaint(id="late", subject=ref)).json()["type"] == "quarantined"
    assert tomorrow.quarantine.due() == 0


@pytest.mark.parametrize("event", [about_ada, naming_ada])
def test_whoever_became_a_customer_later_is_erased_with_what_came_before(
    office: Office, owner_conninfo: str, event: Callable[[], dict[str, Any]]
) -> None:
    early(office, event())
    office.house.post(about_ada("c-2"))

    told = office.done("erase", ADA)

    assert counts(told)["withheld in ops.quarantine"] == 1
    assert nothing_is_left(office, owner_conninfo)


def test_an_erasure_takes_nobody_elses_events(office: Office) -> None:
    early(office, about_ada(), complaint(id="b-1", subject=BOB))

    office.done("erase", ADA)

    assert reasons(office) == [("b-1", "time-ahead")]
    assert office.count("vault.keys") == 1


def test_what_comes_due_between_asking_and_erasing_is_erased_with_the_customer_it_makes(
    office: Office, tomorrow: CommandService
) -> None:
    early(office, about_ada())
    assert office.ask("erase", ADA).status_code == 202

    assert tomorrow.quarantine.due() == 1
    assert office.house.vault.find(ADA) is not None
    office.work()

    assert (office.count("vault.keys"), office.count("ops.quarantine")) == (0, 0)
    assert office.house.vault.find(ADA) is None
    assert statuses(office, about_ada("c-2")) == ["quarantined"]


def test_a_name_that_somebody_gets_while_its_erasure_is_asked_for_is_erased_as_theirs(
    office: Office, tomorrow: CommandService
) -> None:
    early(office, about_ada())
    find, looked = office.house.vault.find, list[int]()

    def recorded_meanwhile(ref: str) -> UUID | None:
        found = find(ref)
        if not looked:
            looked.append(0)
            assert tomorrow.quarantine.due() == 1
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.house.vault, "find", recorded_meanwhile)
        told = office.done("erase", ADA)

    assert told["customer"] is not None
    assert counts(told)["vault.keys"] == 1
    assert office.house.vault.find(ADA) is None


def test_a_replay_that_began_before_an_erasure_brings_nothing_back(
    office: Office, owner_conninfo: str, tomorrow: CommandService
) -> None:
    """Opened before, recorded after: it is neither in the ledger then nor in quarantine."""
    office.house.post(
        complaint(id="c-0", subject=ADA)
    )  # CARD is new to the replay: it is looked up
    early(office, about_ada())
    people, erased = office.house.vault.people, list[int]()

    def erased_meanwhile(named: Any, **how: Any) -> Any:
        if not erased:
            erased.append(0)
            office.done("erase", ADA)
        return people(named, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.house.vault, "people", erased_meanwhile)
        assert tomorrow.quarantine.due() == 0

    assert erased
    assert nothing_is_left(office, owner_conninfo)
    assert [fact.event_id for fact in office.house.ledger.facts_after(0)][:1] == ["c-0"]
    assert office.house.ledger.size() == 2, "the event and that its customer was erased"


@pytest.mark.parametrize("event", [about_ada, naming_ada])
def test_an_event_is_not_set_aside_under_a_name_that_was_listed_meanwhile(
    office: Office, event: Callable[[], dict[str, Any]]
) -> None:
    """Nobody knew the name when the event was sealed; then the person asked to be left alone."""
    people, listed = office.house.vault.people, list[int]()

    def listed_meanwhile(named: Any, **how: Any) -> Any:
        found = people(named, **how)
        if not listed:
            listed.append(0)
            office.done("suppress", ADA)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.house.vault, "people", listed_meanwhile)
        answer = office.house.post(event() | {"time": EARLY})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 0)


@pytest.mark.parametrize("known", [False, True])
def test_who_was_suppressed_meanwhile_is_recorded_when_released_and_not_before(
    office: Office, tomorrow: CommandService, *, known: bool
) -> None:
    if known:
        office.house.post(about_ada("c-0"))
    early(office, about_ada())
    office.done("suppress", ADA)

    assert tomorrow.quarantine.due() == 0
    assert reasons(office) == [("c-1", "suppressed")]
    [(item, tried)], _ = tomorrow.quarantine.many(0)
    assert (item.event_id, tried.reason) == ("c-1", "suppressed")

    office.done("release", ADA)
    assert tomorrow.quarantine.due() == 1
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 1)
    assert office.house.vault.find(CARD) == office.house.vault.find(ADA) is not None


def test_what_is_withheld_is_not_tried_until_its_person_is_released(
    office: Office, tomorrow: CommandService
) -> None:
    office.done("suppress", ADA)
    assert office.house.post(about_ada()).json()["type"] == "quarantined"

    assert tomorrow.quarantine.many(0) == ([], None)
    [item] = tomorrow.quarantine.waiting(0, 10)
    outcome = tomorrow.quarantine.one(item.id)
    assert outcome is not None
    assert outcome[1].reason == "suppressed"
    assert (reasons(office), office.house.ledger.size()) == ([("c-1", "suppressed")], 0)


def test_what_a_release_left_for_its_time_is_recorded_when_that_has_come(
    office: Office, tomorrow: CommandService
) -> None:
    office.done("suppress", ADA)
    early(office, about_ada())
    office.done("release", ADA)
    assert reasons(office) == [("c-1", "time-ahead")]

    assert tomorrow.quarantine.due() == 1
    assert [office.count(each) for each in ("ops.quarantine", "vault.suppressed")] == [0, 0]
    assert office.count("vault.keys") == 1


def test_a_withheld_event_makes_nobody_a_customer_whom_it_names(office: Office) -> None:
    office.done("suppress", BOB)
    assert office.house.post(naming_ada()).json()["type"] == "quarantined"
    assert office.count("vault.identifiers") == 0
    [(own,)] = office.house.rows(b"SELECT own FROM ops.quarantine")
    assert (len(own), office.count("vault.keys")) == (2, 2)

    office.done("release", BOB)
    assert office.house.vault.find(ADA) is not None
    assert office.count("vault.keys") == 2


def test_an_export_holds_what_waits_under_the_persons_names_and_no_other_persons_name(
    office: Office,
) -> None:
    early(office, about_ada(), naming_ada())
    for event in (about_ada("c-2"), complaint(id="b-2", subject=BOB)):
        office.house.post(event)

    [of_ada] = waiting_of(office, ADA)
    assert (of_ada["id"], of_ada["data"]["text"]) == ("c-1", WORDS)
    [of_bob] = waiting_of(office, BOB)
    assert of_bob["id"] == "r-1"
    assert set(of_bob["data"]["referred"]) == {"key", "sealed"}


def test_an_event_that_is_sent_again_beside_a_new_one_leaves_no_key_that_no_row_needs(
    office: Office, owner_conninfo: str
) -> None:
    """Both are of one customer, and each names a stranger."""
    office.house.post(complaint(id="b-0", subject=BOB))
    early(office, naming_ada("r-0"))

    for number in range(1, 4):
        early(office, naming_ada("r-0"), naming_ada(f"r-{number}"), naming_ada(f"r-{number}"))
        own = office.house.rows(b"SELECT unnest(own) FROM ops.quarantine")
        assert len(own) == 1 + number
        assert office.count("vault.keys") == 1 + len(own), "Bob's, and one for each row"

    for ref in (ADA, BOB):
        office.done("erase", ref)
    assert nothing_is_left(office, owner_conninfo)
