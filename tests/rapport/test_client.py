"""The client against a real local HTTP server that answers as the contract says."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from rapport.client import (
    BadAddress,
    Client,
    ClientError,
    GaveUp,
    KeyRefused,
    NotRapport,
    NotRunning,
    Patience,
    RequestRefused,
)

if TYPE_CHECKING:
    from tests.rapport.conftest import FakePlatform

EVENT = {"source": "shop", "id": "1", "type": "purchase.completed"}


def test_a_batch_is_answered_item_by_item_in_order(client: Client) -> None:
    answers = client.post_events([EVENT, {"source": "shop", "id": "2"}, EVENT])

    assert [answer["status"] for answer in answers] == ["stored", "rejected", "duplicate"]


def test_an_event_given_as_bytes_travels_as_these_bytes(
    client: Client, platform: FakePlatform
) -> None:
    client.post_events([b'{"source":"shop",  "id":"1","type":"x"}', EVENT])

    sent = platform.requests[0]
    assert sent.body.startswith(b'{"source":"shop",  "id":"1","type":"x"}\n{')
    assert sent.headers["Content-Type"] == "application/x-ndjson"
    assert sent.headers["Authorization"] == f"Bearer {platform.key}"


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_busy_platform_is_tried_again_after_the_time_it_asks_for(
    client: Client, platform: FakePlatform, pauses: list[float], status: int
) -> None:
    platform.script(status, Retry_After="3")

    assert client.post_events([EVENT])[0]["status"] == "stored"
    assert pauses == [3.0]


@pytest.mark.parametrize(("until", "seconds"), [("12:50:07", 7.0), ("12:40:00", 0.2)])
def test_a_retry_after_given_as_a_date_counts_from_the_date_of_the_answer(
    client: Client, platform: FakePlatform, pauses: list[float], until: str, seconds: float
) -> None:
    day = "Fri, 09 Dec 2011"
    platform.script(503, Date=f"{day} 12:50:00 GMT", Retry_After=f"{day} {until} GMT")

    client.post_events([EVENT])

    assert pauses == [seconds]


def test_without_a_time_to_wait_the_pauses_grow_and_stay_bounded(
    client: Client, platform: FakePlatform, pauses: list[float]
) -> None:
    for _ in range(8):
        platform.script(503)

    client.post_events([EVENT])

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_a_dropped_connection_is_tried_again(
    client: Client, platform: FakePlatform, pauses: list[float]
) -> None:
    platform.script(0)

    assert client.post_events([EVENT])[0]["status"] == "stored"
    assert len(pauses) == 1


def test_waiting_ends_when_patience_does(
    client: Client, platform: FakePlatform, pauses: list[float]
) -> None:
    platform.script(503, Retry_After="40")
    platform.script(503, Retry_After="40")

    with pytest.raises(GaveUp, match=r"is busy.*nothing will be stored twice"):
        client.post_events([EVENT])
    assert pauses == [40.0]


def test_a_client_told_to_give_up_waiting_does_so_at_once(platform: FakePlatform) -> None:
    client = Client(platform.url, platform.key, patience=Patience(3_600))
    platform.script(503, Retry_After="1800")
    caught: list[BaseException] = []

    def post() -> None:
        try:
            client.post_events([EVENT])
        except GaveUp as error:
            caught.append(error)

    waiting = threading.Thread(target=post)
    waiting.start()
    client.give_up_waiting()
    waiting.join(timeout=20)

    assert not waiting.is_alive()
    assert len(caught) == 1
    client.close()


def test_nothing_listening_is_one_sentence_with_the_cure() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Client(url, "rpt_x") as client, pytest.raises(NotRunning) as caught:
            client.get("/v1/portfolio")

    assert str(caught.value) == (
        f"Nothing answers at {url}: start the platform with `rapport up`, or give the right --url."
    )


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
def test_another_programs_port_is_told_apart(
    client: Client, platform: FakePlatform, status: int
) -> None:
    platform.script(status, b"<html>hello</html>", media_type="text/html")

    with pytest.raises(NotRapport, match="is not a Rapport platform: check the port in --url"):
        client.get("/v1/portfolio")


@pytest.mark.parametrize(
    "body",
    [
        b'{"results":[]}',
        b'{"results":[{}]}',
        b'{"results":["stored"]}',
        b'{"results":null}',
        b"{}",
        b"[1]",
        b"[",
    ],
)
def test_an_answer_that_does_not_speak_of_each_event_is_not_believed(
    client: Client, platform: FakePlatform, body: bytes
) -> None:
    platform.script(200, body, media_type="application/json")

    with pytest.raises(NotRapport):
        client.post_events([EVENT])


def test_a_refused_key_is_not_repeated(platform: FakePlatform) -> None:
    with (
        Client(platform.url, "rpt_emitter_wrong_key") as client,
        pytest.raises(KeyRefused, match="does not accept the key") as caught,
    ):
        client.post_events([EVENT])

    assert "rpt_emitter_wrong_key" not in str(caught.value)


def test_a_key_that_may_not_do_this_is_told_in_the_platforms_words(
    client: Client, platform: FakePlatform
) -> None:
    platform.script(403, {"title": "forbidden", "detail": "The key is bound to another source."})

    with pytest.raises(KeyRefused, match="bound to another source"):
        client.post_events([EVENT])


@pytest.mark.parametrize("key", ["", "rpt_with\nline", "rpt with space", "rpt_schlüssel"])
def test_a_text_that_cannot_be_a_key_is_refused_before_it_is_sent(
    platform: FakePlatform, key: str
) -> None:
    with pytest.raises(KeyRefused, match="begin with rpt_"):
        Client(platform.url, key)


def test_a_refused_request_tells_the_first_field_and_its_cure(
    client: Client, platform: FakePlatform
) -> None:
    error = {"pointer": "/0", "message": "is too large", "cure": "Send fewer."}
    platform.script(413, {"title": "too-large", "errors": [error]})

    with pytest.raises(RequestRefused, match="too-large /0 is too large Send fewer") as caught:
        client.post_events([EVENT])
    assert caught.value.status == 413


def test_reading_returns_json_and_sends_its_parameters(
    client: Client, platform: FakePlatform
) -> None:
    platform.script(200, {"value": None}, media_type="application/json")

    assert client.get("/v1/customers/crm:1/health", {"as_of": "2011-12-09T00:00:00Z"}) == {
        "value": None
    }
    assert platform.requests[0].path == (
        "/v1/customers/crm:1/health?as_of=2011-12-09T00%3A00%3A00Z"
    )


def test_what_is_not_there_says_so_in_the_platforms_words(client: Client) -> None:
    with pytest.raises(RequestRefused, match="There is no such customer") as caught:
        client.get("/v1/customers/crm:nobody")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://[::1", "http://a:b"]
)
def test_an_address_that_cannot_be_called_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadAddress, match=r"give one like http://127\.0\.0\.1:8080"):
        Client(url, None)


def test_every_error_is_a_client_error() -> None:
    errors = [BadAddress, GaveUp, KeyRefused, NotRapport, NotRunning, RequestRefused]

    assert all(issubclass(error, ClientError) for error in errors)
