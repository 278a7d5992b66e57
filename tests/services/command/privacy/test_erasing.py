"""Promise P11: erasure is provable, the log still verifies, and the person does not come back."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from infra.plumbing.ledger.answers import Fenced
from infra.plumbing.ledger.format import NO_LEAF, Header, leaf_hash, pack_header
from infra.plumbing.ledger.merkle import verify_inclusion
from infra.plumbing.ledger.proofs import Prover
from services.command.privacy.events import suppression
from tests.services.command.house import BATCH, NOW, complaint
from tests.services.command.privacy.office import (
    ADA,
    CARD,
    EARLY,
    about_ada,
    bodies,
    canaries_in,
    everything,
    naming_ada,
)

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.services.command.privacy.office import Office

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_an_erased_customer_leaves_facts_without_a_person(office: Office) -> None:
    house = office.house
    stream = house.post(about_ada()).json()["customer"]
    told = office.done("erase", ADA)

    assert house.vault.find(ADA) is None
    assert house.vault.find(CARD) is None
    assert str(house.vault.find(stream)) == stream
    assert house.vault.keys([f"{stream}/1"]) == {}
    complained, erased = bodies(house, stream)
    assert complained["data"]["about"] == "delivery"
    assert complained["data"]["text"].keys() == {"key", "sealed"}
    assert erased["type"] == "customer.erased"
    assert erased["data"]["request_id"] == told["id"]
    assert (erased["data"]["keys_destroyed"], erased["data"]["identifiers_removed"]) == (1, 2)


def test_the_certificate_names_every_store_and_can_be_proved(office: Office) -> None:
    house = office.house
    house.post([about_ada(), about_ada("c-2"), about_ada("c-3", time=EARLY)], BATCH)
    told = office.done("erase", ADA)
    certificate = told["certificate"]

    assert {each["store"]: each["count"] for each in certificate["stores"]} == {
        "vault.fences": 1,
        "vault.keys": 1,
        "vault.identifiers": 2,
        "vault.suppressed": 2,
        "withheld in ops.quarantine": 0,
        "ledger.events.content_mac": 2,
        "ops.quarantine": 1,
        "outbox.proposals": 0,
        "ledger.events": 1,
        "files": 0,
    }
    leaf, position = b64decode(certificate["leaf"]), certificate["position"]
    prover = Prover(house.ledger.recorder.rows)
    assert position == prover.size == 3
    proof = prover.inclusion(position)
    assert verify_inclusion(leaf, position - 1, prover.size, proof, prover.root())
    assert office.get(f"/v1/privacy/requests/{told['id']}").json()["certificate"] == certificate


def test_every_leaf_still_fits_what_is_left(office: Office) -> None:
    house = office.house
    house.post(about_ada())
    house.post(naming_ada())
    office.done("erase", ADA)

    previous: dict[bytes, bytes] = {}
    for entry in house.ledger.scan():
        header = Header(
            stream=UUID(bytes=entry.stream),
            version=entry.version,
            previous_leaf=previous.get(entry.stream, NO_LEAF),
            source=entry.source,
            event_id=entry.event_id,
            type=entry.type,
            schema=entry.schema,
            occurred_at=EPOCH + timedelta(microseconds=entry.occurred_at),
            recorded_at=EPOCH + timedelta(microseconds=entry.recorded_at),
            key_id=entry.key_id,
        )
        assert entry.body is not None
        previous[entry.stream] = leaf_hash(pack_header(header), sha256(entry.body).digest())
        assert previous[entry.stream] == entry.leaf
    assert house.ledger.size() == 3


def test_no_canary_stands_in_any_table_before_or_after(office: Office, owner_conninfo: str) -> None:
    house = office.house
    house.post([about_ada(), naming_ada(), about_ada("c-2", time=EARLY)], BATCH)
    assert canaries_in(everything(owner_conninfo)) == []
    office.done("erase", ADA)
    house.post([about_ada("c-9"), naming_ada("r-9")], BATCH)

    assert canaries_in(everything(owner_conninfo)) == []
    assert b"delivery" in everything(owner_conninfo)


def test_neither_the_key_nor_a_keyed_hash_of_a_name_is_left(
    office: Office, owner_conninfo: str
) -> None:
    house = office.house
    stream = house.post(about_ada()).json()["customer"]
    rows = house.rows(b"SELECT wrapped FROM vault.keys UNION SELECT lookup FROM vault.identifiers")
    rows += house.rows(b"SELECT sealed FROM vault.identifiers")
    rows += house.rows(b"SELECT content_mac FROM ledger.events")
    secrets = [bytes(secret) for (secret,) in rows]
    assert len(secrets) == 6
    office.done("erase", ADA)

    dump = everything(owner_conninfo)
    assert [secret for secret in secrets if secret in dump] == []
    assert stream.replace("-", "") in dump.hex()


def test_what_others_events_say_of_the_erased_is_unreadable_and_theirs_is_not(
    office: Office,
) -> None:
    house = office.house
    bob = house.post(naming_ada()).json()["customer"]
    office.done("erase", ADA)

    [referral] = bodies(house, bob)
    assert house.vault.keys([referral["data"]["referred"]["key"]]) == {}
    assert house.vault.keys([referral["originalsubject"]["key"]]) != {}


def test_an_erased_customer_takes_no_event_for_ever(office: Office) -> None:
    house = office.house
    stream = house.post(about_ada()).json()["customer"]
    told = office.done("erase", ADA)
    found = house.vault.find(stream)
    assert found is not None

    late = suppression(found, found, NOW, bytes(32), in_force=True)
    assert house.ledger.append([late]) == [Fenced(found)]
    answer = house.post(complaint(id="c-9", subject=f"customer:{stream}"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/subject")
    assert house.ledger.size() == told["certificate"]["position"]


def test_asking_again_answers_the_first_request(office: Office) -> None:
    stream = office.house.post(about_ada()).json()["customer"]
    first = office.ask("erase", ADA).json()["id"]
    assert office.ask("erase", CARD).json()["id"] == first
    office.work()
    assert office.ask("erase", stream).json() == office.get(f"/v1/privacy/requests/{first}").json()
    assert [fact.type for fact in office.house.ledger.facts_after(0)] == [
        "complaint.opened",
        "customer.erased",
    ]


def test_what_waits_to_be_recorded_about_the_erased_is_dropped(office: Office) -> None:
    house = office.house
    stream = house.post(about_ada()).json()["customer"]
    with house.pool.connection() as connection:
        connection.execute(
            "INSERT INTO outbox.proposals (id, stream, type, occurred_at, data)"
            " VALUES ('p', %s, 'churn_signal.raised', now(), '{}')",
            [stream],
        )
    assert office.done("erase", ADA)["certificate"]["position"] == 2
    assert office.count("outbox.proposals") == 0


def test_the_last_event_is_never_dated_before_another_of_the_customer(office: Office) -> None:
    office.house.post(about_ada(time="2026-03-01T12:04:00Z"))
    office.done("erase", ADA)
    complained, erased = office.house.ledger.facts_after(0)
    assert erased.occurred_at >= complained.occurred_at > NOW


@pytest.mark.parametrize("ref", ["nobody", "email:", "customer:7", "canary@example.org"])
def test_what_is_no_reference_is_refused_without_repeating_it(office: Office, ref: str) -> None:
    answer = office.ask("erase", ref)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/body/ref")
    assert "canary" not in answer.text


@pytest.mark.parametrize("kind", ["erase", "access", "release"])
@pytest.mark.parametrize("ref", [ADA, "customer:00000000-0000-4000-8000-000000000000"])
def test_nobody_is_told_apart(office: Office, kind: str, ref: str) -> None:
    assert office.ask(kind, ref).status_code == 404


@pytest.mark.parametrize("role", ["emitter", "marketer", "auditor", "operator", "steward", "agent"])
def test_only_a_privacy_officer_and_admin_may_ask(office: Office, role: str) -> None:
    office.house.post(about_ada())
    asked = office.ask("access", ADA, key="admin").json()["id"]
    assert office.ask("erase", ADA, key=role).status_code == 403
    assert office.get(f"/v1/privacy/requests/{asked}", key=role).status_code == 403
    assert office.get(f"/v1/privacy/requests/{asked}/export", key=role).status_code == 403
    assert office.count("ops.privacy_requests") == 1


def test_a_request_nobody_made_is_not_found(office: Office) -> None:
    nowhere = "/v1/privacy/requests/00000000-0000-4000-8000-000000000000"
    assert office.get(nowhere).status_code == 404
    assert office.get(f"{nowhere}/export").status_code == 404


def test_a_step_that_fails_changes_nothing_and_stops_no_other_request(
    office: Office, intruder: Connection[object]
) -> None:
    house = office.house
    ada = house.post(about_ada()).json()["customer"]
    house.post(complaint(id="b-1", subject="crm:bob"))
    stuck = office.ask("erase", ADA).json()["id"]
    intruder.execute(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE integrity_constraint_violation; END'"
    )
    intruder.execute(
        "CREATE TRIGGER no BEFORE DELETE ON vault.identifiers FOR EACH ROW EXECUTE FUNCTION no()"
    )
    assert office.done("access", "crm:bob")["status"] == "done"

    told = office.get(f"/v1/privacy/requests/{stuck}").json()
    assert (told["status"], [each["store"] for each in told["stores"]]) == (
        "open",
        ["vault.fences"],
    )
    assert told["waiting"][0] == "key and identifiers"
    assert house.vault.keys([f"{ada}/1"]) != {}
