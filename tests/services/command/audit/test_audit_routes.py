"""The audit routes over a real ledger and vault, checked by hand with hashes alone."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest

from events.catalog import catalog
from infra.plumbing.access import ACTIONS, Action, Role
from infra.plumbing.ledger.format import unpack_header
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.merkle import verify_consistency, verify_inclusion
from infra.plumbing.ledger.tiles import TileWriter
from infra.plumbing.vault.vault import open_master
from services.command.audit.history import check_history
from services.command.audit.routes import build_router
from services.command.audit.service import Audit
from services.command.record import Recorder
from tests.services.command.audit.desk import CANARY, bare, shown_of
from tests.services.command.house import NOW, complaint

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from tests.services.command.audit.desk import Desk

PURPOSE = "Dispute about order 1"
READS = b"SELECT position, stream, body FROM ledger.events WHERE type = 'audit.read'"


def size_of(desk: Desk) -> int:
    return desk.house.ledger.size()


def hashes_of(proof: dict[str, Any]) -> list[bytes]:
    return [b64decode(each) for each in proof["hashes"]]


def sent(desk: Desk, count: int, subject: str = "crm:4711") -> list[dict[str, Any]]:
    return [desk.send(number, subject) for number in range(count)]


def test_an_event_is_shown_as_it_was_hashed(desk: Desk) -> None:
    receipt = desk.send(1)
    event = desk.json(f"events/{receipt['position']}")
    assert event["leaf"] == receipt["leaf"]
    assert event["customer"] == receipt["customer"]
    assert event["version"] == 1
    shown = shown_of(event)
    assert check_history(UUID(receipt["customer"]), [_included(desk, shown)], 2, desk.root()) == []
    header = unpack_header(shown.header)
    assert (header.source, header.event_id, header.type) == ("shop", "c-1", "complaint.opened")


def _included(desk: Desk, shown: Any) -> Any:
    proof = desk.json("proofs/inclusion", {"position": shown.position})
    return type(shown)(*(getattr(shown, name) for name in shown.__slots__[:-1]), hashes_of(proof))


def test_an_inclusion_proof_leads_from_the_receipt_to_the_root(desk: Desk) -> None:
    receipts = sent(desk, 7)
    for size in (5, 7, None):
        proof = desk.json("proofs/inclusion", {"position": 3} | ({"size": size} if size else {}))
        assert (proof["size"], proof["position"]) == (size or 7, 3)
        assert set(proof) == {"size", "position", "hashes"}
        leaf = b64decode(receipts[2]["leaf"])
        assert verify_inclusion(leaf, 2, proof["size"], hashes_of(proof), desk.root(size))


def test_a_consistency_proof_leads_from_the_smaller_root_to_the_larger(desk: Desk) -> None:
    sent(desk, 7)
    for new in (6, None):
        proof = desk.json("proofs/consistency", {"from": 3} | ({"to": new} if new else {}))
        assert (proof["from"], proof["to"]) == (3, new or 7)
        roots = desk.root(3), desk.root(new)
        assert verify_consistency(3, proof["to"], *roots, hashes_of(proof))


def test_a_history_is_whole_and_each_event_is_proved(desk: Desk) -> None:
    for number in range(6):
        desk.send(number, f"crm:{number % 2}")
    answer = desk.json("customers/crm:1")
    customer, root = UUID(answer["customer"]), b64decode(answer["root"])
    assert answer["size"] == size_of(desk) == 7
    assert root == desk.root()
    assert [event["version"] for event in answer["events"]] == [1, 2, 3, 4]
    assert answer["findings"] == []
    shown = [shown_of(event) for event in answer["events"]]
    assert check_history(customer, shown, answer["size"], root) == []
    assert answer["events"][-1]["type"] == "audit.read"


def test_a_history_can_be_asked_for_as_it_was_at_a_checkpoint(desk: Desk) -> None:
    sent(desk, 4)
    answer = desk.json("customers/crm:4711", {"size": 2})
    assert answer["size"] == 2
    assert b64decode(answer["root"]) == desk.root(2)
    assert [event["position"] for event in answer["events"]] == [1, 2]
    assert answer["findings"] == []


def test_a_long_history_is_shown_to_its_end(desk: Desk) -> None:
    customer = UUID(desk.send(0)["customer"])
    desk.house.ledger.append([bare(customer) for _ in range(650)])
    answer = desk.json(f"customers/{customer}")
    assert [event["version"] for event in answer["events"]] == list(range(1, 653))
    assert answer["findings"] == []


@pytest.mark.parametrize("path", ["events/1", "customers/crm:4711"])
def test_a_read_is_recorded_before_it_is_answered(desk: Desk, path: str) -> None:
    customer = desk.send(1)["customer"]
    desk.json(path, {"purpose": PURPOSE}, role="privacy")
    [(position, stream, body)] = desk.house.rows(READS)
    data = orjson.loads(bytes(body))["data"]
    assert (position, str(stream)) == (2, customer)
    assert data["reader"] == "privacy"
    assert data["key"] == desk.house.keys["privacy"].split("_")[2]
    assert data["what"] == path.partition("/")[0].removesuffix("s").replace("customer", "history")
    assert data["opened"] is True
    assert PURPOSE.encode() not in bytes(body)
    [*_, read] = desk.json("customers/crm:4711", {"purpose": "To see it"})["events"][:2]
    assert read["opened"]["data"]["purpose"] == PURPOSE


def test_proofs_and_checkpoints_are_read_without_a_trace(desk: Desk) -> None:
    sent(desk, 2)
    desk.json("proofs/inclusion", {"position": 1})
    desk.json("proofs/consistency", {"from": 1})
    desk.ask("checkpoint")
    assert size_of(desk) == 2


@pytest.mark.parametrize("path", ["events/1", "customers/crm:4711"])
def test_personal_values_are_shown_for_a_purpose_alone(desk: Desk, path: str) -> None:
    desk.send(1)
    sealed = desk.json(path)
    assert CANARY not in str(sealed)
    assert "opened" not in (sealed["events"][0] if "events" in sealed else sealed)
    answer = desk.json(path, {"purpose": PURPOSE})
    event = answer["events"][0] if "events" in answer else answer
    assert event["opened"]["data"]["text"] == CANARY
    assert event["opened"]["originalsubject"] == "crm:4711"


def test_a_purpose_opens_nothing_of_another_person(desk: Desk) -> None:
    data = {"referral_id": "r-1", "referred": "email:bob@example.com"}
    answer = desk.house.post(complaint(type="referral.made", data=data))
    assert answer.status_code == 201, answer.text
    opened = desk.json("events/1", {"purpose": PURPOSE})["opened"]
    assert opened["originalsubject"] == "crm:4711"
    assert set(opened["data"]["referred"]) == {"key", "sealed"}


@pytest.mark.parametrize("purpose", ["", "   ", "x" * 501, "a\x00b"])
def test_a_purpose_that_cannot_be_recorded_opens_nothing(desk: Desk, purpose: str) -> None:
    desk.send(1)
    answer = desk.ask("events/1", {"purpose": purpose})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert size_of(desk) == 1


def test_a_stream_that_takes_no_more_events_is_shown_sealed(
    desk: Desk, intruder: Connection[Any]
) -> None:
    """The purpose cannot be recorded there, so nothing is opened although the key is here."""
    customer = desk.send(1)["customer"]
    intruder.execute(b"INSERT INTO vault.fences (stream) VALUES (%s)", (customer,))
    event = desk.json("events/1", {"purpose": PURPOSE})
    assert "opened" not in event
    answer = desk.json("customers/crm:4711", {"purpose": PURPOSE})
    assert CANARY not in str(answer)
    reads = [event["type"] for event in answer["events"]]
    assert (reads, answer["findings"]) == (["complaint.opened", "audit.read", "audit.read"], [])
    said = [orjson.loads(b64decode(event["body"])) for event in answer["events"][1:]]
    assert [each["data"]["what"] for each in said] == ["event", "history"]
    assert {(each["data"]["reader"], each["data"]["opened"]) for each in said} == {
        ("auditor", False)
    }
    assert PURPOSE not in str(said)
    assert desk.house.rows(b"SELECT count(*) FROM vault.fences") == [(1,)]
    assert size_of(desk) == 3


def test_an_erased_customer_is_still_proved_by_uuid(desk: Desk, intruder: Connection[Any]) -> None:
    customer = desk.send(1)["customer"]
    intruder.execute(b"DELETE FROM vault.keys")
    intruder.execute(b"DELETE FROM vault.identifiers")
    answer = desk.json(f"customers/{customer}", {"purpose": PURPOSE})
    assert [event["type"] for event in answer["events"]] == ["complaint.opened"]
    assert answer["findings"] == []
    assert CANARY not in str(answer)
    assert desk.ask("customers/crm:4711").status_code == 404


def test_a_dropped_body_leaves_its_digest_and_its_proof(
    desk: Desk, intruder: Connection[Any]
) -> None:
    sent(desk, 2)
    intruder.execute(
        b"UPDATE ledger.rows SET body = NULL, body_digest = sha256(body) WHERE position = 1"
    )
    answer = desk.json("customers/crm:4711", {"purpose": PURPOSE})
    assert "body_digest" in answer["events"][0]
    assert "body" not in answer["events"][0]
    assert answer["findings"] == []


def test_a_removed_event_is_named(desk: Desk, intruder: Connection[Any]) -> None:
    """Its leaf still stands in a tile, so its neighbours are proved to be in the tree."""
    customer = UUID(desk.send(0)["customer"])
    desk.house.ledger.append([bare(customer) for _ in range(299)])
    while TileWriter(desk.house.pool).once():
        pass
    intruder.execute(b"DELETE FROM ledger.rows WHERE position = 200")
    findings = desk.json(f"customers/{customer}")["findings"]
    assert [(each["fault"], each["position"], each["words"]) for each in findings] == [
        ("changed", 201, "The leaf at position 201 is not that of its header and body."),
        ("missing", 201, "Version 200 is missing before position 201."),
    ]


def test_a_changed_event_is_named(desk: Desk, intruder: Connection[Any]) -> None:
    sent(desk, 3)
    intruder.execute(b"UPDATE ledger.rows SET body = 'x' WHERE position = 1")
    intruder.execute(b"UPDATE ledger.rows SET type = 'x' WHERE position = 2")
    findings = desk.json("customers/crm:4711")["findings"]
    assert [(each["fault"], each["position"]) for each in findings] == [
        ("changed", 1),
        ("changed", 2),
    ]


def test_an_event_whose_stream_was_taken_away_is_told_as_damage(
    desk: Desk, intruder: Connection[Any]
) -> None:
    desk.send(1)
    intruder.execute(b"DELETE FROM ledger.streams WHERE number = 1")
    answer = desk.ask("events/1")
    assert answer.status_code == 500
    assert "The ledger is damaged." in answer.json()["detail"]


def test_a_hole_without_a_tile_is_told_as_damage(desk: Desk, intruder: Connection[Any]) -> None:
    sent(desk, 3)
    intruder.execute(b"DELETE FROM ledger.rows WHERE position = 2")
    answer = desk.ask("proofs/inclusion", {"position": 1})
    assert answer.status_code == 500
    assert "damaged" in answer.json()["detail"]


def test_the_newest_checkpoint_is_served_as_it_was_signed(
    desk: Desk, intruder: Connection[Any]
) -> None:
    assert desk.ask("checkpoint").status_code == 404
    for size, note in ((9, "rapport/x\n9\n"), (10, "rapport/x\n10\n\n\u2014 x y\n")):
        intruder.execute(
            b"INSERT INTO ledger.checkpoints (size, note) VALUES (%s, %s)", (size, note)
        )
    answer = desk.ask("checkpoint")
    assert answer.content == "rapport/x\n10\n\n\u2014 x y\n".encode()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


PATHS = (
    "checkpoint",
    "events/1",
    "proofs/inclusion?position=1",
    "proofs/consistency?from=1",
    "customers/crm:4711",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["emitter", "marketer", "agent", "steward", "operator"])
def test_other_roles_may_not_look(desk: Desk, role: str, path: str) -> None:
    desk.send(1)
    assert desk.ask(path, role=role).status_code == 403
    assert desk.house.client.get(f"/v1/audit/{path}").status_code == 401
    assert size_of(desk) == 1


def test_auditor_privacy_officer_and_admin_may(desk: Desk) -> None:
    desk.send(1)
    allowed = ACTIONS[Action.READ_HISTORY]
    assert allowed == {Role.AUDITOR, Role.PRIVACY, Role.ADMIN}
    for role in allowed:
        for path in PATHS[1:]:
            assert desk.ask(path, role=role).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("events/2", 404),
        ("events/9223372036854775807", 404),
        ("events/9223372036854775808", 422),
        ("events/0", 422),
        ("proofs/inclusion", 422),
        ("proofs/inclusion?position=2", 422),
        ("proofs/inclusion?position=1&size=0", 422),
        ("proofs/inclusion?position=1&size=2", 422),
        ("proofs/consistency?from=2", 422),
        ("proofs/consistency?from=1&to=0", 422),
        ("proofs/consistency?from=-1", 422),
        ("customers/nobody", 422),
        ("customers/customer:nobody", 422),
        ("customers/crm:%00", 422),
        ("customers/crm:unknown", 404),
        ("customers/00000000-0000-4000-8000-000000000000", 404),
        ("customers/crm:4711?size=2", 422),
    ],
)
def test_a_question_about_nothing_is_refused_and_not_recorded(
    desk: Desk, path: str, status: int
) -> None:
    desk.send(1)
    answer = desk.ask(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert size_of(desk) == 1


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("customers/crm:4711?as_of=2025-11-10T00:00:00Z", "purpose, size"),
        ("events/1?purpos=dispute", "purpose"),
        ("checkpoint?size=1", "no parameter"),
    ],
)
def test_a_parameter_that_nobody_reads_is_refused_and_nothing_is_recorded(
    desk: Desk, path: str, takes: str
) -> None:
    desk.send(1)
    answer = desk.ask(path)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert (error["message"], error["cure"]) == (
        "There is no such parameter.",
        f"This question takes: {takes}.",
    )
    assert size_of(desk) == 1


def test_what_cannot_be_recorded_just_now_is_not_shown(
    desk: Desk, conninfo: str, tmp_path: Path
) -> None:
    """The recorder's own way to the ledger is closed; reading would still be possible."""
    desk.send(1)
    house = desk.house
    with Ledger.open(conninfo) as closed:
        pass
    master = open_master(house.pool, tmp_path / "master.key")
    recorder = Recorder(closed, house.vault, house.pool, master, lambda: NOW)
    house.app.router.routes.clear()
    house.app.include_router(
        build_router(Audit(house.ledger, house.vault, recorder, catalog(), lambda: NOW))
    )
    for path in ("events/1", "customers/crm:4711"):
        answer = desk.ask(path)
        assert answer.status_code == 503
        assert "leaf" not in answer.text
    assert size_of(desk) == 1
