"""An access export holds all that is kept about a person, opened and provable; nobody else's."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from infra.plumbing.ledger.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from infra.plumbing.ledger.format import NO_LEAF, leaf_hash, unpack_header
from infra.plumbing.ledger.merkle import verify_consistency, verify_inclusion
from infra.plumbing.ledger.proofs import Prover
from tests.services.command.house import complaint
from tests.services.command.privacy.office import ADA, CARD, EARLY, WORDS, about_ada, naming_ada

if TYPE_CHECKING:
    from psycopg import Connection

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


def checked(told: dict[str, Any]) -> list[str]:
    """What is wrong with an export, found from nothing but what stands in it."""
    trees = {told["size"]: b64decode(told["root"])}
    if told["checkpoint"] is not None:
        signed = read_checkpoint(told["checkpoint"].encode())
        trees[signed.size] = signed.root
        steps = [b64decode(each) for each in told["consistency"]]
        size, root = told["size"], trees[told["size"]]
        assert verify_consistency(signed.size, size, signed.root, root, steps)
    found: list[str] = []
    before = NO_LEAF
    for event in told["events"]:
        header = b64decode(event["header"])
        dropped = b64decode(event.get("body_digest", ""))
        body = b64decode(event.get("body", ""))
        leaf = leaf_hash(header, dropped or sha256(body).digest())
        proof = event["proof"]
        steps = [b64decode(each) for each in proof["hashes"]]
        root = trees[proof["size"]]
        if not verify_inclusion(leaf, event["position"] - 1, proof["size"], steps, root):
            found.append(f"content of {event['position']}")
        if unpack_header(header).previous_leaf != before:
            found.append(f"before {event['position']}")
        before = leaf
        if event["event"] is not None:
            stored, opened = orjson.loads(body), event["event"]
            plain = {name for name in stored if not isinstance(stored[name], dict)}
            if any(stored[name] != opened[name] for name in plain):
                found.append(f"opened {event['position']}")
    return found


def test_every_events_content_is_proved_up_to_a_signed_root(
    office: Office, intruder: Connection[Any]
) -> None:
    for number in range(1, 8):
        subject = ADA if number % 2 else "crm:bob"
        office.house.post(complaint(id=f"c-{number}", subject=subject))
    prover = Prover(office.house.ledger.recorder.rows)
    note = sign_checkpoint(Checkpoint("rapport/test", prover.size, prover.root()), bytes(32))
    intruder.execute(
        "INSERT INTO ledger.checkpoints (size, note) VALUES (%s, %s)", [prover.size, note]
    )
    intruder.execute(
        "UPDATE ledger.rows SET body = NULL, body_digest = sha256(body) WHERE position = 1"
    )
    told = exported(office, ADA)

    assert told["checkpoint"] == note
    assert [event["version"] for event in told["events"]] == [1, 2, 3, 4, 5]
    sizes = [event["proof"]["size"] for event in told["events"]]
    assert sizes == [7, 7, 7, 7, 8], "the read itself is not signed yet"
    assert checked(told) == []

    assert told["findings"] == []

    told["events"][1]["header"] = told["events"][2]["header"]
    assert "content of 3" in checked(told)


def test_an_export_before_anything_was_signed_says_so(office: Office) -> None:
    office.house.post(about_ada())
    told = exported(office, ADA)
    assert (told["checkpoint"], told["consistency"]) == (None, None)
    assert checked(told) == []


def test_replaced_content_does_not_pass(office: Office) -> None:
    office.house.post(about_ada())
    told = exported(office, ADA)
    body = b64decode(told["events"][0]["body"]).replace(b"delivery", b"checkout")
    told["events"][0]["body"] = b64encode(body).decode()
    assert checked(told) == ["content of 1", "before 2"]


@pytest.mark.parametrize(
    "crime", ["type = 'x'", "body = 'x'", "body = NULL, body_digest = sha256('x')"]
)
def test_an_event_that_no_longer_fits_its_leaf_is_named_and_neither_opened_nor_said(
    office: Office, intruder: Connection[Any], crime: str
) -> None:
    office.house.post(about_ada())
    office.house.post(about_ada("c-2"))
    intruder.execute(f"UPDATE ledger.rows SET {crime} WHERE position = 1".encode())
    told = exported(office, ADA)
    assert {(each["fault"], each["position"]) for each in told["findings"]} == {("changed", 1)}
    damaged, sound, _ = told["events"]
    assert (damaged["event"], damaged["sentence"]) == (None, None)
    assert {"header", "leaf"} < set(damaged), "what is stored is shown all the same"
    assert sound["event"]["data"]["text"] == WORDS


def test_an_event_that_the_signed_tree_does_not_hold_is_named(
    office: Office, intruder: Connection[Any]
) -> None:
    office.house.post(about_ada())
    note = sign_checkpoint(Checkpoint("rapport/test", 1, bytes(32)), bytes(32))
    intruder.execute("INSERT INTO ledger.checkpoints (size, note) VALUES (1, %s)", [note])
    told = exported(office, ADA)
    assert [(each["fault"], each["position"]) for each in told["findings"]] == [("not-included", 1)]


def test_a_mention_in_an_event_that_no_longer_fits_its_leaf_is_named_and_not_opened(
    office: Office, intruder: Connection[Any]
) -> None:
    office.house.post(about_ada())
    office.house.post(naming_ada())
    intruder.execute(b"UPDATE ledger.rows SET type = 'x' WHERE position = 2")
    told = exported(office, ADA)
    assert [(each["fault"], each["position"]) for each in told["findings"]] == [("changed", 2)]
    assert [each["values"] for each in told["mentions"]] == [{}]


def test_what_waits_in_quarantine_is_in_it_opened(office: Office) -> None:
    house = office.house
    house.post(about_ada())
    house.post(about_ada("early", time=EARLY))
    house.post(complaint(id="bobs", subject="crm:bob", time=EARLY))
    office.done("suppress", ADA)
    house.post(about_ada("withheld"))
    told = exported(office, ADA)

    waiting = [(each["reason"], each["event"]["id"]) for each in told["quarantine"]]
    assert waiting == [("time-ahead", "early"), ("suppressed", "withheld")]
    assert {each["event"]["data"]["text"] for each in told["quarantine"]} == {WORDS}

    office.done("erase", ADA)
    assert exported(office, told["customer"])["quarantine"] == []


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
    types = [each["event"]["type"] for each in told["events"]]
    assert types == ["complaint.opened", "customer.erased", "audit.read"]
    assert checked(told) == []
    assert office.count("vault.fences") == 1


def test_only_an_access_request_has_an_export(office: Office) -> None:
    office.house.post(about_ada())
    told = office.done("suppress", ADA)
    assert "export" not in told
    assert office.get(f"/v1/privacy/requests/{told['id']}/export").status_code == 404


def test_an_export_is_kept_by_no_cache(office: Office) -> None:
    office.house.post(about_ada())
    answer = office.get(office.done("access", ADA)["export"])
    assert answer.headers["cache-control"] == "no-store"
