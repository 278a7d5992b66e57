"""What a release could not record is told, and gone with the person's next erasure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from infra.plumbing.vault import erasure
from infra.plumbing.vault.opening import open_body
from tests.services.command.privacy.office import (
    ADA,
    CARD,
    EARLY,
    WORDS,
    about_ada,
    bodies,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.command.privacy.office import Office

OTHER_WORDS = {"complaint_id": "k-1", "about": "other"}


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {each["store"]: each["count"] for each in told["stores"]}


def readable(office: Office) -> list[str]:
    """What any key that is left opens in quarantine."""
    rows = office.house.rows(b"SELECT stream, key_id, body FROM ops.quarantine")
    keys = office.house.vault.keys([key_id for _, key_id, _ in rows])
    opened = [str(open_body(bytes(body), stream, keys)) for stream, _, body in rows]
    return [text for text in opened if ADA in text or CARD in text or WORDS in text]


def dated_ahead(office: Office) -> None:
    assert statuses(office, about_ada("early", time=EARLY)) == ["quarantined"]


def two_bodies(office: Office) -> None:
    twice = about_ada("twice"), about_ada("twice") | {"data": OTHER_WORDS}
    assert statuses(office, *twice) == ["quarantined"] * 2


def no_longer_valid(office: Office) -> None:
    """As after an upgrade whose catalog has no such type any more."""
    assert statuses(office, about_ada("odd")) == ["quarantined"]
    with office.house.pool.connection() as connection:
        changed = connection.execute(
            "UPDATE ops.quarantine SET body = convert_to(replace(convert_from(body, 'UTF8'),"
            " 'complaint.opened', 'complaint.unheard_of'), 'UTF8')"
        )
        assert changed.rowcount == 1


@pytest.mark.parametrize("by", [ADA, CARD, "stream"])
@pytest.mark.parametrize("plant", [dated_ahead, two_bodies, no_longer_valid])
def test_what_a_release_could_not_record_goes_with_the_next_erasure(
    office: Office, plant: Callable[[Office], None], by: str
) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)
    plant(office)
    assert counts(office.done("release", ADA))["left in ops.quarantine"] == 1
    new = office.house.post(about_ada("new")).json()
    assert new["status"] == "stored"
    assert readable(office)

    told = office.done("erase", new["customer"] if by == "stream" else by)
    assert counts(told)["withheld in ops.quarantine"] == 1
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 0)
    erased = bodies(office.house, new["customer"])[-1]
    assert erased["data"]["quarantined_removed"] == 1
    assert statuses(office, about_ada("again")) == ["quarantined"]


def test_what_is_left_goes_by_name_before_anybody_has_it_again(office: Office) -> None:
    office.done("suppress", ADA)
    no_longer_valid(office)
    office.done("release", ADA)
    assert office.house.vault.find(ADA) is None

    assert counts(office.done("erase", ADA)) == {"withheld in ops.quarantine": 1, "files": 0}
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 0)
    assert statuses(office, about_ada("again")) == ["quarantined"], "erased, so on the list"


def test_a_later_release_tries_again_and_then_forgets_the_names(office: Office) -> None:
    office.done("suppress", ADA)
    dated_ahead(office)
    office.done("release", ADA)
    assert office.count("vault.suppressed") == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.command.intake.MAX_AHEAD", timedelta(days=2))
        told = office.done("release", ADA)

    assert (counts(told)["ops.quarantine"], counts(told)["left in ops.quarantine"]) == (1, 0)
    assert (office.count("ops.quarantine"), office.count("vault.suppressed")) == (0, 0)
    assert office.ask("release", ADA).status_code == 404


def test_what_is_left_follows_into_the_next_suppression(office: Office) -> None:
    office.house.post(about_ada())
    office.done("suppress", ADA)
    dated_ahead(office)
    office.done("release", ADA)
    office.done("suppress", CARD)
    assert statuses(office, about_ada("more")) == ["quarantined"]
    assert office.house.rows(b"SELECT count(DISTINCT person) FROM ops.quarantine") == [(1,)]

    assert counts(office.done("erase", ADA))["withheld in ops.quarantine"] == 2
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, 0)


@pytest.mark.parametrize("kind", ["release", "erase"])
def test_an_event_withheld_while_the_list_changes_is_asked_for_again(
    office: Office, kind: str
) -> None:
    """It was found on the list; behind its back the person is released, or erased."""
    house = office.house
    house.post(about_ada())
    office.done("suppress", ADA)
    people, changed = house.vault.people, list[int]()

    def changed_meanwhile(named: Any, **how: Any) -> Any:
        found = people(named, **how)
        if not changed:
            changed.append(0)
            office.done(kind, ADA)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.vault, "people", changed_meanwhile)
        assert house.post(about_ada("late")).status_code == 503
    assert (office.count("ops.quarantine"), office.count("vault.keys")) == (0, kind == "release")
    late = statuses(office, about_ada("late"))
    assert late == ["stored" if kind == "release" else "quarantined"]


def test_the_list_waits_for_an_event_that_is_being_set_aside(office: Office) -> None:
    house = office.house
    stream = UUID(house.post(about_ada()).json()["customer"])
    office.done("suppress", ADA)
    [(person,)] = house.rows(b"SELECT suppressed FROM vault.keys")

    def forget() -> int:
        with house.pool.connection() as connection:
            return erasure.forget(connection, house.vault.hashes, stream).withheld

    with ThreadPoolExecutor(1) as other:
        with house.pool.connection() as writer:
            assert erasure.hold_listed(writer, {person}) == {person}
            eraser = other.submit(forget)
            with pytest.raises(TimeoutError):
                eraser.result(0.3)
        assert eraser.result(10) == 0


@pytest.mark.parametrize("order", [("erase", "suppress"), ("suppress", "erase")])
@pytest.mark.parametrize("by", [ADA, "stream"])
def test_erasure_and_suppression_of_one_customer_both_end(
    office: Office, order: tuple[str, str], by: str
) -> None:
    """Both asked for at once, and each step of either may come first."""
    stream = office.house.post(about_ada()).json()["customer"]
    ref = stream if by == "stream" else by
    asked = [office.ask(kind, ref) for kind in order]
    assert [each.status_code for each in asked] == [202, 202]
    office.work()
    office.work()

    told = [office.get(each.headers["location"]).json() for each in asked]
    assert [each["status"] for each in told] == ["done", "done"]
    suppressed = told[order.index("suppress")]
    if order == ("erase", "suppress"):
        assert counts(suppressed) == {"vault.suppressed": 0, "ledger.events": 0, "erased": 1}
        assert suppressed["certificate"]["events"] == []
    else:
        assert counts(suppressed) == {"vault.suppressed": 2, "ledger.events": 1}
    assert statuses(office, about_ada("c-2")) == ["quarantined"]
    assert office.house.vault.find(ADA) is None


def test_a_customer_erased_long_ago_can_be_suppressed_again_by_uuid(office: Office) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    office.done("erase", ADA)
    told = office.done("suppress", stream)
    assert counts(told) == {"vault.suppressed": 0, "ledger.events": 0, "erased": 1}


def test_a_suppression_between_two_steps_of_an_erasure_ends(office: Office) -> None:
    house = office.house
    stream = UUID(house.post(about_ada()).json()["customer"])
    with house.pool.connection() as connection:
        erasure.fence(connection, stream)
    told = office.done("suppress", ADA)
    assert counts(told) == {"vault.suppressed": 2, "ledger.events": 0, "erased": 1}
    released = office.done("release", ADA)
    assert counts(released)["erased"] == 1
