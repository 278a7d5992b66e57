"""What waits in quarantine is listed without its content, and recorded once when it is valid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from infra.plumbing.vault.erasure import fence
from services.command import replay as replaying
from services.command.replay_routes import build_router
from tests.services.command.house import BATCH, complaint
from tests.services.command.test_record import CANARIES, EARLY, personal, referral, spellings
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

    from httpx2 import Response

    from tests.services.command.house import House

PATH = "/v1/quarantine"
TOO_FAR = "2027-01-01T00:00:00Z"
LATER = datetime(2026, 3, 2, tzinfo=UTC)
"""When what is dated EARLY has happened."""


@pytest.fixture
def today(house: House) -> House:
    house.app.include_router(build_router(house.service.quarantine))
    house.keys["operator"] = house.key("operator")
    return house


@pytest.fixture
def tomorrow(today: House) -> Generator[House]:
    """The same house when the time of EARLY has come."""
    with today.another(clock=lambda: LATER) as service:
        later = today.over(service)
        later.app.include_router(build_router(service.quarantine))
        yield later


def ask(house: House, method: str, path: str = "", *, key: str = "operator") -> Response:
    headers = {"authorization": f"Bearer {house.keys[key]}"}
    return house.client.request(method, f"{PATH}{path}", headers=headers)


def listed(house: House, query: str = "") -> dict[str, Any]:
    answer = ask(house, "GET", query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def again(house: House, number: int) -> dict[str, Any]:
    answer = ask(house, "POST", f"/{number}/replay")
    assert answer.status_code == 200, answer.text
    return answer.json()


def reasons(house: House) -> list[tuple[str, str]]:
    return [(item["event_id"], item["reason"]) for item in listed(house)["items"]]


def recorded(house: House) -> list[str]:
    return [fact.event_id for fact in house.ledger.facts_after(0)]


def rename(house: House, before: str, after: str) -> None:
    """The type in every waiting body."""
    with house.pool.connection() as connection:
        connection.execute(
            "UPDATE ops.quarantine"
            " SET body = convert_to(replace(convert_from(body, 'UTF8'), %s, %s), 'UTF8')",
            (before, after),
        )


def killed(*_: object) -> bool:
    raise KeyboardInterrupt


def test_what_waits_is_listed_with_its_reason_and_nothing_of_its_content(today: House) -> None:
    today.post([personal(time=EARLY), referral(time=EARLY)], BATCH)

    answer = ask(today, "GET")

    first, second = answer.json()["items"]
    assert first | {"id": 0, "received_at": ""} == {
        "id": 0,
        "reason": "time-ahead",
        "source": "shop",
        "event_id": "c-1",
        "type": "complaint.opened",
        "occurred_at": "2026-03-02T00:00:00Z",
        "received_at": "",
        "due_at": "2026-03-01T23:55:00Z",
    }
    assert (second["event_id"], second["id"] > first["id"]) == ("r-1", True)
    told = answer.content
    assert [c for c in CANARIES.values() for each in spellings(c) if each in told] == []


def test_the_list_comes_in_pages_and_by_reason(today: House) -> None:
    today.post([complaint(id=f"c-{n}", time=EARLY) for n in range(5)], BATCH)

    seen, cursor, pages = list[str](), "", 0
    while pages < 9:
        page = listed(today, f"?limit=2{cursor}")
        seen += [item["event_id"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert (seen, pages) == ([f"c-{n}" for n in range(5)], 3)
    assert len(listed(today, "?reason=time-ahead")["items"]) == 5
    assert listed(today, "?reason=suppressed") == {"items": [], "next": None}


@pytest.mark.parametrize("cursor", ["x", "YWZ0ZXIgLTE=", "%C3%A4"])
def test_a_cursor_that_is_none_is_refused_by_its_name(today: House, cursor: str) -> None:
    answer = ask(today, "GET", f"?cursor={cursor}")

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["pointer"] == "/query/cursor"


def test_an_event_still_ahead_of_its_time_stays(today: House) -> None:
    today.post(complaint(time=EARLY))
    [item] = listed(today)["items"]

    told = again(today, item["id"])

    assert (told["status"], told["reason"]) == ("waiting", "time-ahead")
    assert told["errors"][0]["pointer"] == "/time"
    assert ask(today, "POST", "/replay").json() == {"items": [], "next": None}
    assert today.service.quarantine.due() == 0
    assert (recorded(today), listed(today)["items"]) == ([], [item])
    assert today.rows(b"SELECT count(*) FROM vault.identifiers") == [(0,)]


def test_an_event_whose_time_has_come_is_recorded_once_however_often_it_is_tried(
    today: House, tomorrow: House
) -> None:
    today.post(personal(time=EARLY))
    [item] = listed(today)["items"]

    told = again(tomorrow, item["id"])

    assert (told["status"], told["position"]) == ("recorded", 1)
    assert ask(tomorrow, "POST", f"/{item['id']}/replay").status_code == 404
    assert (recorded(tomorrow), listed(tomorrow)["items"]) == (["c-1"], [])
    customer = tomorrow.vault.find(CANARIES["subject"])
    assert customer is not None
    assert tomorrow.vault.find(CANARIES["identifier"]) == customer
    assert tomorrow.rows(b"SELECT stream FROM vault.keys") == [(customer,)]
    assert tomorrow.post(personal(time=EARLY)).json()["status"] == "duplicate"


def test_what_comes_due_is_recorded_by_itself_and_people_in_it_are_known_from_then_on(
    today: House, tomorrow: House
) -> None:
    today.post(
        [personal(time=EARLY), referral(time=EARLY), complaint(id="c-9", time=TOO_FAR)], BATCH
    )

    assert tomorrow.service.quarantine.due() == 2

    assert recorded(tomorrow) == ["c-1", "r-1"]
    assert reasons(tomorrow) == [("c-9", "time-ahead")]
    assert tomorrow.vault.find(CANARIES["referred"]) is not None
    own = tomorrow.rows(b"SELECT unnest(own) FROM ops.quarantine")
    keys = tomorrow.rows(b"SELECT stream FROM vault.keys")
    assert len(keys) == 2 + len(own), "the keys of the rows that went are gone"
    assert tomorrow.service.quarantine.due() == 0


def test_the_loop_records_what_is_due_and_ends_when_told(today: House, tomorrow: House) -> None:
    today.post(complaint(time=EARLY))
    stop = Event()
    loop = Thread(target=tomorrow.service.run_quarantine, args=(stop,))
    loop.start()
    wait_until(lambda: recorded(tomorrow) == ["c-1"])
    stop.set()
    loop.join(30)

    assert not loop.is_alive()


def test_everything_that_may_be_valid_by_now_is_tried_page_by_page(
    today: House, tomorrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying.Replay.many, "__defaults__", (2,))
    today.post([complaint(id=f"c-{n}", time=EARLY) for n in range(5)], BATCH)

    pages = [ask(tomorrow, "POST", "/replay").json()]
    while pages[-1]["next"] is not None:
        pages.append(ask(tomorrow, "POST", f"/replay?cursor={pages[-1]['next']}").json())

    assert [[item["status"] for item in page["items"]] for page in pages] == [
        ["recorded"] * 2,
        ["recorded"] * 2,
        ["recorded"],
    ]
    assert recorded(tomorrow) == [f"c-{n}" for n in range(5)]


def test_tried_by_many_at_once_it_is_recorded_once(today: House, tomorrow: House) -> None:
    today.post([complaint(id=f"c-{n}", time=EARLY) for n in range(8)], BATCH)
    with ThreadPoolExecutor(4) as operators:
        tries = [operators.submit(tomorrow.service.quarantine.due) for _ in range(4)]
        assert sum(each.result() for each in tries) >= 8

    assert sorted(recorded(tomorrow)) == [f"c-{n}" for n in range(8)]
    assert listed(tomorrow)["items"] == []
    assert tomorrow.rows(b"SELECT count(*) FROM vault.keys") == [(1,)]


def test_killed_between_recording_and_removing_it_is_recorded_once(
    today: House, tomorrow: House
) -> None:
    today.post(complaint(time=EARLY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying.Replay, "_settled", killed)
        with pytest.raises(KeyboardInterrupt):
            tomorrow.service.quarantine.due()
    assert (recorded(tomorrow), reasons(tomorrow)) == (["c-1"], [("c-1", "time-ahead")])

    assert tomorrow.service.quarantine.due() == 1
    assert (recorded(tomorrow), reasons(tomorrow)) == (["c-1"], [])


def test_an_event_whose_sender_sent_it_anew_meanwhile_stays_with_its_reason(
    today: House, tomorrow: House
) -> None:
    today.post(complaint(time=EARLY))
    today.post(complaint())

    tomorrow.service.quarantine.due()

    assert reasons(tomorrow) == [("c-1", "event-id-reused")]
    [item] = listed(tomorrow)["items"]
    told = again(tomorrow, item["id"])
    assert (told["status"], told["reason"], told["errors"][0]["pointer"]) == (
        "waiting",
        "event-id-reused",
        "/id",
    )
    assert (len(recorded(tomorrow)), item["due_at"]) == (1, None)


def test_an_event_that_is_no_longer_valid_stays_with_its_reason(
    today: House, tomorrow: House
) -> None:
    """As after an upgrade whose catalog has no such type any more; the next one has it again."""
    today.post(complaint(time=EARLY))
    rename(today, "complaint.opened", "complaint.unheard")

    assert tomorrow.service.quarantine.due() == 0
    assert reasons(tomorrow) == [("c-1", "invalid-event")]
    [item] = ask(tomorrow, "POST", "/replay").json()["items"]
    assert (item["status"], item["errors"][0]["pointer"]) == ("waiting", "/type")

    rename(today, "complaint.unheard", "complaint.opened")
    assert ask(tomorrow, "POST", "/replay").json()["items"][0]["status"] == "recorded"


def test_while_the_customer_is_being_erased_the_event_stays_as_it_was(
    today: House, tomorrow: House
) -> None:
    today.post(complaint(id="c-0"))
    today.post(complaint(time=EARLY))
    customer = today.vault.find("crm:4711")
    assert customer is not None
    with today.pool.connection() as connection:
        fence(connection, customer)

    [item] = ask(tomorrow, "POST", "/replay").json()["items"]

    assert (item["status"], item["reason"]) == ("waiting", "time-ahead")
    assert "Try again soon" in item["detail"]
    assert reasons(tomorrow) == [("c-1", "time-ahead")]


def test_an_event_that_fails_by_our_fault_stops_no_other(today: House, tomorrow: House) -> None:
    today.post([complaint(id=f"c-{n}", time=EARLY) for n in range(3)], BATCH)
    with today.pool.connection() as connection:
        connection.execute(b"UPDATE ops.quarantine SET body = '{' WHERE event_id = 'c-1'")

    with structlog.testing.capture_logs() as logged:
        assert tomorrow.service.quarantine.due() == 2

    assert recorded(tomorrow) == ["c-0", "c-2"]
    assert reasons(tomorrow) == [("c-1", "fault")]
    assert "quarantine_replay_failed" in [line["event"] for line in logged]


def test_the_loop_outlives_a_database_that_is_away(today: House, tomorrow: House) -> None:
    today.post(complaint(time=EARLY))
    today.pool.close()
    stop = Event()
    loop = Thread(target=tomorrow.service.run_quarantine, args=(stop,))
    with structlog.testing.capture_logs() as logged:
        loop.start()
        wait_until(lambda: [line["event"] for line in logged] == ["quarantine_waits"])
    assert loop.is_alive()
    stop.set()
    loop.join(30)


@pytest.mark.parametrize("key", ["emitter", "marketer"])
def test_nobody_but_operators_sees_or_tries_what_waits(today: House, key: str) -> None:
    for method, path in (("GET", ""), ("POST", "/replay"), ("POST", "/1/replay")):
        assert ask(today, method, path, key=key).status_code == 403
