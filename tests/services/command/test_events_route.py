"""`POST /v1/events` over a real ledger: every answer of the contract."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
import pytest

from services.command.intake import MAX_BYTES
from tests.services.command.house import BATCH, LINES, as_lines, attributes, complaint

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.services.command.house import House


def problem(answer: Response, status: int, kind: str) -> dict[str, Any]:
    """The problem in `answer`, which has this status and type."""
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["title"]
    return answer.json()


def statuses(answer: Response) -> list[str]:
    """The status of each result of a batch."""
    return [result["status"] for result in answer.json()["results"]]


def test_a_stored_event_is_answered_with_its_receipt(house: House) -> None:
    answer = house.post(complaint())

    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["id", "status", "customer", "position", "leaf"]
    assert (body["id"], body["status"], body["position"]) == ("c-1", "stored", 1)
    [fact] = house.ledger.facts_after(0)
    assert UUID(body["customer"]) == fact.stream == house.vault.find("crm:4711")
    [(leaf,)] = house.rows(b"SELECT leaf FROM ledger.events")
    assert b64decode(body["leaf"]) == leaf


def test_the_same_event_again_is_answered_with_the_first_receipt(house: House) -> None:
    first = house.post(complaint())
    reordered = dict(reversed(complaint().items()))
    again = house.post(orjson.dumps(reordered, option=orjson.OPT_INDENT_2))

    assert again.status_code == 200
    assert again.json() == first.json() | {"status": "duplicate"}
    assert house.ledger.size() == 1


def test_an_id_taken_by_another_event_is_a_conflict(house: House) -> None:
    house.post(complaint())
    answer = house.post(complaint(time="2026-03-01T09:31:00Z"))

    body = problem(answer, 409, "event-id-reused")
    assert [error["pointer"] for error in body["errors"]] == ["/id"]
    assert house.ledger.size() == 1


def test_the_same_id_of_another_source_is_another_event(house: House) -> None:
    house.keys["till"] = house.key("emitter", "till")

    assert house.post(complaint()).status_code == 201
    assert house.post(complaint(source="till"), key="till").status_code == 201


def test_an_event_that_is_not_valid_names_each_field_and_its_cure(house: House) -> None:
    secret = "ada@example.org"  # noqa: S105 - a canary, not a password
    answer = house.post(complaint(time=1772357400, subject=secret, data={"about": secret}))

    body = problem(answer, 422, "invalid-event")
    assert {error["pointer"] for error in body["errors"]} == {"/time", "/subject"}
    assert all(error["message"] and error["cure"] for error in body["errors"])
    assert secret not in answer.text
    assert house.ledger.size() == 0


def test_broken_json_is_told_with_its_place(house: House) -> None:
    body = problem(house.post(b'{"id": "c-1",'), 422, "broken-json")
    assert "line 1, column" in body["errors"][0]["message"]


def test_a_customer_is_found_again_by_uuid_and_by_another_spelling(house: House) -> None:
    first = house.post(complaint(subject="email:Ada@Example.org")).json()["customer"]
    by_uuid = house.post(complaint(id="c-2", subject=f"customer:{first}"))
    by_text = house.post(complaint(id="c-3", subject="email:ada@example.org"))

    assert by_uuid.json()["customer"] == by_text.json()["customer"] == first


def test_a_customer_that_does_not_exist_is_refused_with_a_cure(house: House) -> None:
    body = problem(house.post(complaint(subject=f"customer:{uuid4()}")), 422, "invalid-event")

    assert body["errors"][0]["pointer"] == "/subject"
    assert "crm:" in body["errors"][0]["cure"]


def test_a_batch_of_stored_and_repeated_events_is_all_good(house: House) -> None:
    first = house.post(complaint()).json()
    answer = house.post([complaint(id="c-2"), complaint()], BATCH)

    assert answer.status_code == 200
    assert statuses(answer) == ["stored", "duplicate"]
    assert answer.json()["results"][1] == first | {"status": "duplicate"}


@pytest.mark.parametrize(("body", "media"), [(b"[]", BATCH), (b"", LINES)])
def test_an_empty_batch_is_good_and_stores_nothing(house: House, body: bytes, media: str) -> None:
    answer = house.post(body, media)

    assert (answer.status_code, answer.json()) == (200, {"results": []})


def test_each_event_of_a_mixed_batch_has_its_own_answer_in_order(house: House) -> None:
    house.post(complaint(id="taken"))
    batch = [
        complaint(id="good-1"),
        complaint(id="bad", time="yesterday"),
        complaint(id="taken", data={"complaint_id": "k-9", "about": "other"}),
        complaint(id="foreign", source="till"),
        complaint(id="early", time="2026-03-01T12:05:01Z"),
        complaint(id="nobody", subject=f"customer:{uuid4()}"),
        complaint(id="good-1"),
        complaint(id="good-1", subject="crm:12"),
        complaint(id="good-2"),
    ]
    answer = house.post(batch, BATCH)

    assert answer.status_code == 207
    assert statuses(answer) == [
        "stored",
        "rejected",
        "conflict",
        "rejected",
        "quarantined",
        "rejected",
        "duplicate",
        "conflict",
        "stored",
    ]
    results = answer.json()["results"]
    assert [result["id"] for result in results] == [event["id"] for event in batch]
    assert [result["errors"][0]["pointer"] for result in results if "errors" in result] == [
        "/time",
        "/id",
        "/source",
        "/time",
        "/subject",
        "/id",
    ]
    assert [fact.event_id for fact in house.ledger.facts_after(0)] == ["taken", "good-1", "good-2"]


def test_a_broken_line_is_told_by_its_number_and_the_others_are_stored(house: House) -> None:
    lines = as_lines(complaint(id="a"), b"", b"{broken", complaint(id="b"))
    answer = house.post(lines, LINES)

    assert answer.status_code == 207
    assert statuses(answer) == ["stored", "rejected", "stored"]
    assert answer.json()["results"][1] | {"errors": None} == {
        "id": None,
        "status": "rejected",
        "line": 3,
        "errors": None,
    }


def test_a_thousand_events_are_one_request_and_keep_their_order(house: House) -> None:
    ids = [f"c-{number}" for number in range(1000)]
    answer = house.post([complaint(id=each) for each in ids], BATCH)

    assert answer.status_code == 200
    positions = [result["position"] for result in answer.json()["results"]]
    assert positions == list(range(1, 1001))
    assert [fact.event_id for fact in house.ledger.facts_after(0, 1000)] == ids


def test_more_than_a_thousand_events_are_refused_and_none_is_stored(house: House) -> None:
    answer = house.post([complaint(id=f"c-{number}") for number in range(1001)], BATCH)

    assert "1000 events" in problem(answer, 413, "too-large")["detail"]
    assert house.ledger.size() == 0


def test_binary_mode_stores_the_same_event_as_structured_mode(house: House) -> None:
    event = complaint(note="café")
    headers = attributes(event) | {"ce-note": "caf%C3%A9"}
    answer = house.post(event["data"], "application/json", **headers)

    assert answer.status_code == 201
    assert house.post(event).json() == answer.json() | {"status": "duplicate"}


@pytest.mark.parametrize(
    ("media", "headers"),
    [
        ("application/json", {}),
        ("text/plain", {}),
        ("application/cloudevents+json", {"content-encoding": "gzip"}),
        ("application/cloudevents+json; charset=utf-16", {}),
    ],
)
def test_another_media_type_is_refused(house: House, media: str, headers: dict[str, str]) -> None:
    problem(house.post(complaint(), media, **headers), 415, "unsupported-media-type")
    assert house.ledger.size() == 0


def test_an_event_too_far_ahead_is_set_aside_and_not_in_the_ledger(house: House) -> None:
    answer = house.post(complaint(time="2026-03-01T12:05:01Z"))

    body = problem(answer, 422, "quarantined")
    assert body["errors"][0]["pointer"] == "/time"
    assert house.ledger.size() == 0
    assert house.post(complaint(id="c-2", time="2026-03-01T12:05:00Z")).status_code == 201


def test_without_a_key_nothing_is_taken(house: House) -> None:
    answer = house.client.post("/v1/events", json=complaint())

    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_role_that_only_reads_may_not_write(house: House) -> None:
    problem(house.post(complaint(), key="marketer"), 403, "forbidden")


def test_a_bound_key_may_not_write_for_another_source(house: House) -> None:
    body = problem(house.post(complaint(source="till")), 403, "forbidden")

    assert body["errors"][0]["pointer"] == "/source"
    assert house.post(complaint(source="till"), key="admin").status_code == 201


def test_the_platforms_own_sources_are_closed_even_to_an_admin(house: House) -> None:
    problem(house.post(complaint(source="rapport/signals"), key="admin"), 403, "forbidden")


def test_a_body_beyond_the_limit_is_refused_unread(house: House) -> None:
    answer = house.post(b" " * (MAX_BYTES + 1))

    problem(answer, 413, "too-large")
    assert answer.headers["connection"] == "close"


def test_the_route_is_in_the_openapi_document(house: House) -> None:
    operation = house.client.get("/openapi.json").json()["paths"]["/v1/events"]["post"]

    assert set(operation["requestBody"]["content"]) == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/x-ndjson",
        "application/json",
    }
    expected = {"200", "201", "207", "401", "403", "409", "413", "415", "422", "429", "503", "504"}
    assert expected <= set(operation["responses"])
