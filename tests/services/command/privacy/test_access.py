"""An access export holds all that is kept about a person, opened and provable; nobody else's."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from infra.plumbing.ledger.merkle import verify_inclusion
from tests.services.command.house import complaint
from tests.services.command.privacy.office import ADA, CARD, WORDS, about_ada, naming_ada

if TYPE_CHECKING:
    from tests.services.command.privacy.office import Office


KEYS = ("privacy", "admin")


def exported(office: Office, ref: str) -> dict[str, Any]:
    return office.get(office.done("access", ref)["export"]).json()


def test_names_events_and_what_others_said_are_there_opened(office: Office) -> None:
    ada = office.house.post(about_ada()).json()
    office.house.post(naming_ada())
    told = exported(office, ADA)

    assert told["customer"] == ada["customer"]
    assert sorted(told["identifiers"]) == [ADA, CARD]
    [event, _] = told["events"]
    assert event["event"]["data"]["text"] == WORDS
    assert event["event"]["originalsubject"] == ADA
    assert event["sentence"].startswith("Complained about delivery")
    [mention] = told["mentions"]
    assert mention["values"] == {"/data/referred": ADA}
    assert mention["type"] == "referral.made"


def test_what_is_another_persons_stays_sealed(office: Office) -> None:
    office.house.post(naming_ada())
    told = exported(office, "crm:bob")
    [event, _] = told["events"]
    assert event["event"]["data"]["referred"].keys() == {"key", "sealed"}
    assert event["event"]["originalsubject"] == "crm:bob"
    assert ADA not in str(told)


def test_every_event_is_proved_to_be_in_the_ledger(office: Office) -> None:
    for number in range(1, 8):
        subject = ADA if number % 2 else "crm:bob"
        office.house.post(complaint(id=f"c-{number}", subject=subject))
    told = exported(office, ADA)
    root = b64decode(told["root"])

    assert [event["version"] for event in told["events"]] == [1, 2, 3, 4, 5]
    for event in told["events"]:
        proof = [b64decode(each) for each in event["proof"]]
        leaf = b64decode(event["leaf"])
        assert verify_inclusion(leaf, event["position"] - 1, told["size"], proof, root)


def test_each_fetching_of_an_export_is_told_in_the_customers_history_and_in_the_export(
    office: Office,
) -> None:
    office.house.post(about_ada())
    path = office.done("access", ADA)["export"]
    assert office.count("ledger.events") == 1  # asked for, and not yet read
    reads = [office.get(path, key=key).json()["events"][-1] for key in KEYS]

    told = [each["event"]["data"] for each in reads]
    assert [each.pop("reader") for each in told] == list(KEYS)
    keys = [each.pop("key") for each in told]
    assert all(f"_{key}_" in office.house.keys[role] for key, role in zip(keys, KEYS, strict=True))
    assert told == [{"what": "export", "opened": True}] * 2
    assert {each["event"]["type"] for each in reads} == {"audit.read"}
    assert reads[0]["sentence"].startswith("The access export was read by the role privacy")
    assert [each["version"] for each in reads] == [2, 3]


def test_an_export_that_cannot_be_told_of_is_not_shown(office: Office) -> None:
    office.house.post(about_ada())
    path = office.done("access", ADA)["export"]
    office.house.ledger.close()
    answer = office.get(path)
    assert answer.status_code == 503
    assert WORDS not in answer.text


def test_an_export_is_made_when_it_is_fetched_and_shows_nothing_of_an_erased_person(
    office: Office,
) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    asked = office.done("access", ADA)
    office.done("erase", ADA)

    told = office.get(asked["export"]).json()
    assert (told["identifiers"], told["customer"]) == ([], stream)
    assert WORDS not in str(told)
    assert told["events"][0]["event"]["data"]["about"] == "delivery"


def test_only_an_access_request_has_an_export(office: Office) -> None:
    office.house.post(about_ada())
    told = office.done("suppress", ADA)
    assert "export" not in told
    assert office.get(f"/v1/privacy/requests/{told['id']}/export").status_code == 404


def test_an_export_is_kept_by_no_cache(office: Office) -> None:
    office.house.post(about_ada())
    answer = office.get(office.done("access", ADA)["export"])
    assert answer.headers["cache-control"] == "no-store"
