"""One attempt against a real receiver: what is sent, and how each misbehaviour ends."""

from __future__ import annotations

import base64
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from infra.plumbing.clock import system_clock
from services.notifier.channel import Delivered, GiveUp, Message, Outcome, TryAgain
from services.notifier.channels.webhook import WebhookChannel, read_secrets
from tests.services.notifier.sink import OK, Answer, Behaviour, Sink

if TYPE_CHECKING:
    from infra.plumbing.clock import Clock

KEY = bytes(range(32))
OLD_KEY = bytes(range(1, 33))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OLD_SECRET = "whsec_" + base64.b64encode(OLD_KEY).decode()
MESSAGE = Message(
    alert_id=UUID("0b6d9f4e-6b9c-5a43-8d7f-0f8d2b1f9c11"),
    customer=UUID("5f6f9f3e-8a54-4b3b-9be0-2a83b9f0b001"),
    attempt=1,
    line="silence: quiet",
    body='{"type":"churn_signal.alert","data":{"reason":"Zoë"}}'.encode(),
)


def channel(
    url: str, seconds: float = 10.0, secrets: str = SECRET, clock: Clock = system_clock
) -> WebhookChannel:
    keys = read_secrets(secrets)
    return WebhookChannel(
        url, keys, ssl.create_default_context(), clock, timedelta(seconds=seconds)
    )


def test_the_receiver_can_verify_every_attempt_with_the_standard_library() -> None:
    with Sink() as sink:
        assert channel(sink.url).deliver(MESSAGE) == Delivered()
        assert channel(sink.url).deliver(replace(MESSAGE, attempt=2)) == Delivered()
    assert sink.ids == [str(MESSAGE.alert_id)] * 2
    for received in sink.received:
        assert received.body == MESSAGE.body
        assert received.path == "/hooks"
        assert received.headers["content-type"] == "application/json"
        verified = Webhook(SECRET).verify(received.body, dict(received.headers))
        assert verified["type"] == "churn_signal.alert"


def test_a_receiver_with_the_old_secret_verifies_while_it_is_replaced() -> None:
    with Sink() as sink:
        channel(sink.url, secrets=f"{SECRET} {OLD_SECRET}").deliver(MESSAGE)
    headers = dict(sink.received[0].headers)
    assert Webhook(OLD_SECRET).verify(MESSAGE.body, headers)
    assert Webhook(SECRET).verify(MESSAGE.body, headers)


def test_the_timestamp_is_of_the_attempt_in_utc_whatever_the_clocks_zone() -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, 999_999, tzinfo=UTC)
    with Sink() as sink:
        channel(sink.url, clock=lambda: at).deliver(MESSAGE)
        elsewhere = at.astimezone(datetime.now(UTC).astimezone().tzinfo)
        channel(sink.url, clock=lambda: elsewhere).deliver(MESSAGE)
    stamps = [received.headers["webhook-timestamp"] for received in sink.received]
    assert stamps == [str(int(at.timestamp()))] * 2
    signatures = {received.headers["webhook-signature"] for received in sink.received}
    assert len(signatures) == 1


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Answer(200), Delivered()),
        (Answer(500), TryAgain("the receiver answered 500")),
        (
            Answer(429, {"retry-after": "7"}),
            TryAgain("the receiver answered 429", timedelta(seconds=7)),
        ),
        (Answer(410), GiveUp("the receiver answered 410: it is gone and wants no more")),
        ("reset", TryAgain("the receiver could not be reached (ReadError)")),
        ("hang", TryAgain("no answer within 0.4 seconds")),
        ("drip", TryAgain("no answer within 0.4 seconds")),
    ],
)
def test_each_behaviour_of_a_receiver_has_its_outcome(
    behaviour: Behaviour, expected: Outcome
) -> None:
    with Sink(lambda _: behaviour) as sink:
        before = monotonic()
        seconds = 0.4 if isinstance(behaviour, str) else 10.0
        assert channel(sink.url, seconds).deliver(MESSAGE) == expected
        assert monotonic() - before < 5.0
    assert len(sink.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Sink() as elsewhere, Sink(lambda _: Answer(status, {"location": elsewhere.url})) as sink:
        outcome = channel(sink.url).deliver(MESSAGE)
        assert outcome == TryAgain(f"the receiver answered {status} (redirects are not followed)")
        assert elsewhere.received == []


def test_a_port_where_nobody_listens_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/token-in-the-path"
        outcome = channel(url).deliver(MESSAGE)
    assert outcome == TryAgain("the receiver could not be reached (ConnectError)")


def test_a_proxy_of_the_environment_does_not_get_the_alerts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sink() as proxy, Sink(lambda _: OK) as sink:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert channel(sink.url).deliver(MESSAGE) == Delivered()
        assert proxy.received == []
