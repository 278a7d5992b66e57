"""`POST /v1/events` when the sender or the database misbehaves."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor, as_completed
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from services.command.intake import MAX_BYTES
from tests.services.command.house import BATCH, complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message

    from tests.services.command.house import House

CHUNK = 64 * 1024
LOCK_SECONDS = 10


def by_hand(house: House, messages: Iterator[Message]) -> list[Message]:
    """What the application sends to a request whose body arrives as `messages`, without length."""
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"authorization", f"Bearer {house.keys['emitter']}".encode()),
            (b"content-type", BATCH.encode()),
        ],
        "client": ("test", 1),
        "server": ("test", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(house.app(scope, receive, send))
    return sent


def test_a_body_without_a_length_is_read_no_further_than_the_limit(house: House) -> None:
    read: list[int] = []

    def endless() -> Iterator[Message]:
        while True:
            read.append(CHUNK)
            yield {"type": "http.request", "body": b" " * CHUNK, "more_body": True}

    sent = by_hand(house, endless())

    assert sent[0]["status"] == 413
    assert sum(read) <= MAX_BYTES + CHUNK


def test_a_sender_that_goes_away_in_its_body_leaves_nothing(house: House) -> None:
    def cut() -> Iterator[Message]:
        yield {"type": "http.request", "body": orjson.dumps([complaint()]), "more_body": True}
        yield {"type": "http.disconnect"}

    by_hand(house, cut())

    assert house.ledger.size() == 0
    assert house.post(complaint()).status_code == 201


def test_when_the_database_is_away_nothing_is_stored_and_the_sender_is_told(house: House) -> None:
    assert house.post(complaint()).status_code == 201
    house.pool.close()
    answer = house.post(complaint(id="c-2"))

    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert house.ledger.size() == 1


def test_a_sender_is_told_to_come_back_when_the_recording_takes_too_long(house: House) -> None:
    with (
        house.another(answer_seconds=0.2) as hurried,
        house.pool.connection() as holder,
    ):
        holder.execute(b"SELECT size FROM ledger.head FOR UPDATE")
        begun = monotonic()
        answer = house.over(hurried).post(complaint())
        taken = monotonic() - begun
        holder.rollback()

    assert (answer.status_code, answer.json()["type"]) == (504, "outcome-unknown")
    assert int(answer.headers["retry-after"]) >= 1
    assert taken < LOCK_SECONDS / 2
    assert house.post(complaint()).status_code == 200


def test_a_program_that_is_stopping_takes_nothing_more(house: House) -> None:
    house.service.close()
    answer = house.post(complaint())

    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("house", [1], indirect=True)
def test_when_too_much_waits_a_sender_is_told_to_come_back(house: House) -> None:
    """One waiting event is this house's limit; the head lock holds the work up."""
    many = 6
    with (
        ThreadPoolExecutor(many) as senders,
        house.pool.connection() as holder,
    ):
        holder.execute(b"SELECT size FROM ledger.head FOR UPDATE")
        first = senders.submit(house.post, complaint(id="first"))
        others = [senders.submit(house.post, complaint(id=f"c-{n}")) for n in range(many - 1)]
        refused = next(as_completed(others)).result()
        holder.rollback()
        stored = [first.result(), *(other.result() for other in others)]

    assert (refused.status_code, refused.json()["type"]) == (429, "too-many-requests")
    assert int(refused.headers["retry-after"]) >= 1
    good = [answer for answer in stored if answer.status_code == 201]
    assert {answer.status_code for answer in stored} == {201, 429}
    assert house.ledger.size() == len(good)


def test_when_too_many_bytes_wait_a_sender_is_told_to_come_back(house: House) -> None:
    """Room for one large event; the head lock holds the work up."""
    many = 6
    large = {"complaint_id": "k-1", "about": "delivery", "text": "." * 3_000}
    with (
        house.another(max_waiting_bytes=4_500) as narrow,
        ThreadPoolExecutor(many) as senders,
        house.pool.connection() as holder,
    ):
        holder.execute(b"SELECT size FROM ledger.head FOR UPDATE")
        post = house.over(narrow).post
        sent = [senders.submit(post, complaint(id=f"c-{n}", data=large)) for n in range(many)]
        refused = next(as_completed(sent)).result()
        holder.rollback()
        answers = [each.result() for each in sent]

    assert (refused.status_code, refused.json()["type"]) == (503, "unavailable")
    assert "Nothing was stored" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    assert {answer.status_code for answer in answers} == {201, 503}
    assert house.ledger.size() == [answer.status_code for answer in answers].count(201) <= 3


def test_many_senders_at_once_are_each_answered_with_their_own_receipt(house: House) -> None:
    events = [complaint(id=f"c-{number}") for number in range(64)]
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(house.post, events))

    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["position"] for answer in answers) == list(range(1, 65))
    by_id = {fact.event_id: fact.position for fact in house.ledger.facts_after(0)}
    assert {a.json()["id"]: a.json()["position"] for a in answers} == by_id
