"""What stands in the database after events were recorded or set aside."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import pytest

from infra.plumbing.vault.seal import Place, open_value
from tests.services.command.house import BATCH, complaint

if TYPE_CHECKING:
    from uuid import UUID

    from tests.services.command.house import House

CANARIES = {
    "subject": "email:canary-subject@example.org",
    "text": "canary-text my parcel came open",
    "identifier": "loyalty:canary-loyalty",
    "referred": "email:canary-referred@example.org",
}
EARLY = "2026-03-02T00:00:00Z"


def personal(**changes: Any) -> dict[str, Any]:
    """A complaint with a canary in each personal place."""
    data = {
        "complaint_id": "k-1",
        "about": "delivery",
        "text": CANARIES["text"],
        "identifiers": [CANARIES["identifier"]],
    }
    return complaint(subject=CANARIES["subject"], data=data, **changes)


def referral(**changes: Any) -> dict[str, Any]:
    """A referral of another person."""
    data = {"referral_id": "r-1", "referred": CANARIES["referred"]}
    event = complaint(type="referral.made", subject=CANARIES["subject"], data=data)
    return event | {"id": "r-1"} | changes


def everything(conninfo: str) -> bytes:
    """Every row of every table, as PostgreSQL copies it out."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            b"SELECT format('COPY %I.%I TO STDOUT (FORMAT binary)', schemaname, tablename)"
            b" FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = bytearray()
        for (copy,) in tables:
            with connection.cursor().copy(copy.encode()) as rows:
                found += b"".join(bytes(row) for row in rows)
    return bytes(found)


def spellings(canary: str) -> list[bytes]:
    """A canary as it might stand somewhere by mistake."""
    plain = canary.encode()
    return [plain, plain.hex().encode(), base64.b64encode(plain), canary.encode("utf-16-le")]


def opened(house: House, stream: UUID, body: dict[str, Any], pointer: str) -> object:
    """The sealed value at a pointer of a stored body, opened with the customer's key."""
    sealed: Any = body
    for step in pointer.split("/")[1:]:
        sealed = sealed[int(step) if step.isdecimal() else step]
    owner, _, _ = sealed["key"].rpartition("/")
    [key] = [
        key
        for (found,) in house.rows(b"SELECT stream FROM vault.keys")
        if str(found) == owner and (key := house.vault.key(sealed["key"], found))
    ]
    return open_value(sealed, key, Place.of(stream, body["source"], body["id"]), pointer)


def test_no_personal_value_stands_open_in_any_table(house: House, owner_conninfo: str) -> None:
    answer = house.post([personal(), referral(), personal(id="c-2", time=EARLY)], BATCH)
    assert [r["status"] for r in answer.json()["results"]] == ["stored", "stored", "quarantined"]

    stored = everything(owner_conninfo)

    assert b"c-2" in stored
    assert b"delivery" in stored
    for canary in CANARIES.values():
        for value in {canary, canary.partition(":")[2] or canary}:
            assert not [each for each in spellings(value) if each in stored]


def test_what_was_sealed_opens_with_the_key_of_whom_it_is_about(house: House) -> None:
    house.post([personal(), referral()], BATCH)
    [(stream, complained), (_, referred)] = [
        (row[0], orjson.loads(row[1]))
        for row in house.rows(b"SELECT stream, body FROM ledger.events ORDER BY position")
    ]
    friend = house.vault.find(CANARIES["referred"])

    assert complained["subject"] == f"customer:{stream}"
    assert opened(house, stream, complained, "/originalsubject") == CANARIES["subject"]
    assert opened(house, stream, complained, "/data/text") == CANARIES["text"]
    assert opened(house, stream, complained, "/data/identifiers/0") == CANARIES["identifier"]
    assert opened(house, stream, referred, "/data/referred") == CANARIES["referred"]
    assert friend != stream
    assert referred["data"]["referred"]["key"].startswith(str(friend))


def test_unknown_attributes_are_kept(house: House) -> None:
    house.post(complaint(traceparent="00-ab-cd-01", priority=3))
    [(body,)] = house.rows(b"SELECT body FROM ledger.events")

    assert orjson.loads(body) | {"data": None} == {
        **complaint(traceparent="00-ab-cd-01", priority=3),
        "subject": orjson.loads(body)["subject"],
        "originalsubject": orjson.loads(body)["originalsubject"],
        "data": None,
    }


def test_another_identifier_in_an_event_names_the_same_customer_from_then_on(house: House) -> None:
    house.post(personal())

    assert house.vault.find(CANARIES["identifier"]) == house.vault.find(CANARIES["subject"])


def test_what_is_set_aside_is_kept_once_however_often_it_is_sent(house: House) -> None:
    for _ in range(2):
        house.post(personal(time=EARLY))
    house.post(complaint(time=EARLY))

    rows = house.rows(b"SELECT source, event_id, reason, length(content_mac) FROM ops.quarantine")
    assert rows == [("shop", "c-1", "time-ahead", 32)] * 2


def test_the_body_set_aside_is_the_body_the_ledger_would_have_stored(house: House) -> None:
    house.post(personal(time=EARLY))
    [(stream, body)] = house.rows(b"SELECT stream, body FROM ops.quarantine")

    assert opened(house, stream, orjson.loads(body), "/data/text") == CANARIES["text"]


@pytest.mark.parametrize("batch", [False, True])
def test_a_customer_being_erased_takes_no_event_and_the_sender_is_told(
    house: House, *, batch: bool
) -> None:
    stream = house.post(complaint()).json()["customer"]
    with house.pool.connection() as connection:
        connection.execute(b"INSERT INTO vault.fences (stream) VALUES (%s)", (stream,))

    if batch:
        [result] = house.post([complaint(id="c-2")], BATCH).json()["results"]
        assert (result["status"], result["errors"][0]["pointer"]) == ("rejected", "/subject")
    else:
        answer = house.post(complaint(id="c-2"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert house.ledger.size() == 1


def test_the_referred_persons_uuid_must_exist_too(house: House) -> None:
    nobody = "customer:00000000-0000-4000-8000-000000000000"
    answer = house.post(referral(data={"referral_id": "r-1", "referred": nobody}))

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/referred"]
