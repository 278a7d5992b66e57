"""The webhook's signature, its settings, and what each answer means."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from infra.plumbing.settings import load_settings
from services.notifier.channel import Delivered, GiveUp, TryAgain
from services.notifier.channels.webhook import (
    WebhookChannel,
    check_url,
    open_channel,
    read_answer,
    read_retry_after,
    read_secrets,
)
from services.notifier.errors import ChannelMisconfigured

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the published test vector
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_the_published_standard_webhooks_vector_is_met() -> None:
    """From libraries/javascript/src/webhook.test.ts of standard-webhooks/standard-webhooks."""
    [key] = read_secrets(SECRET)
    at = datetime.fromtimestamp(1614265330, UTC)
    signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_means_taken(status: int) -> None:
    assert read_answer(status, None, NOW) == Delivered()


def test_410_means_never_again() -> None:
    assert isinstance(read_answer(410, "5", NOW), GiveUp)


@given(st.integers(min_value=100, max_value=599).filter(lambda s: s // 100 != 2 and s != 410))
def test_any_other_answer_is_tried_again_and_named(status: int) -> None:
    outcome = read_answer(status, None, NOW)
    assert isinstance(outcome, TryAgain)
    assert f"answered {status}" in outcome.reason
    assert outcome.asked is None


def test_a_redirect_is_named_as_not_followed() -> None:
    assert read_answer(302, None, NOW) == TryAgain(
        "the receiver answered 302 (redirects are not followed)"
    )


def test_retry_after_comes_with_the_outcome() -> None:
    expected = TryAgain("the receiver answered 429", timedelta(seconds=120))
    assert read_answer(429, "120", NOW) == expected


@given(st.integers(min_value=0, max_value=10**8))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert read_retry_after(f" {seconds} ", NOW) == timedelta(seconds=seconds)


@given(st.integers(min_value=1, max_value=10**6))
def test_retry_after_as_an_http_date(seconds: int) -> None:
    until = NOW + timedelta(seconds=seconds)
    assert read_retry_after(format_datetime(until, usegmt=True), NOW) == timedelta(seconds=seconds)


def test_retry_after_in_the_past_is_no_wait() -> None:
    past = format_datetime(NOW - timedelta(seconds=1), usegmt=True)
    assert read_retry_after(past, NOW) is None


@given(st.none() | st.text())
def test_a_retry_after_nobody_can_read_does_no_harm(text: str | None) -> None:
    wait = read_retry_after(text, NOW)
    assert wait is None or wait >= timedelta(0)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣", "Wed, 99 Foo 2026", "9" * 400])
def test_odd_retry_after_headers_do_not_raise(text: str) -> None:
    wait = read_retry_after(text, NOW)
    assert wait is None or text == "9" * 400


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//example.com",
        "example.com",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://x",
        "http:///path",
        "http://[::1",
        "https://",
        "https://exa mple.com\x00",
        "https://user:secret@example.com/",
        "javascript:alert(1)",
    ],
)
def test_only_a_plain_http_address_is_taken_and_never_repeated(url: str) -> None:
    with pytest.raises(ChannelMisconfigured, match="RAPPORT_WEBHOOK_URL") as refused:
        check_url(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "HTTPS://Example.com/hooks?token=1"])
def test_http_and_https_addresses_are_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "secret",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_not base64!",
        "whsec_é",
        f"{SECRET} whsec_",
    ],
)
def test_a_secret_that_is_none_is_refused_and_never_repeated(secret: str) -> None:
    with pytest.raises(ChannelMisconfigured, match="RAPPORT_WEBHOOK_SECRET") as refused:
        read_secrets(secret)
    assert all(part not in str(refused.value) for part in secret.split() if part != "whsec_")


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_24_to_64_bytes_are_taken(size: int) -> None:
    [key] = read_secrets("whsec_" + base64.b64encode(bytes(range(size))).decode())
    assert isinstance(key, Webhook)


def test_a_secret_may_come_without_its_padding() -> None:
    [whole], [bare] = read_secrets(OTHER), read_secrets(OTHER.rstrip("="))
    assert OTHER.endswith("=")
    assert whole.sign("a", NOW, "{}") == bare.sign("a", NOW, "{}")


def test_without_an_address_there_is_no_webhook() -> None:
    assert open_channel(load_settings()) is None


def test_an_address_without_a_secret_is_refused_with_the_cure() -> None:
    with pytest.raises(ChannelMisconfigured, match=r"openssl rand -base64 32"):
        open_channel(load_settings(webhook_url="https://example.com/hooks"))


def test_an_address_and_a_secret_open_it() -> None:
    settings = load_settings(
        webhook_url="https://example.com/hooks", webhook_secret=SecretStr(SECRET)
    )
    channel = open_channel(settings)
    assert isinstance(channel, WebhookChannel)
    assert channel.url == "https://example.com/hooks"


def test_while_a_secret_is_replaced_both_sign_and_a_stranger_does_not_verify() -> None:
    keys = read_secrets(f"{OTHER} {SECRET}")
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "a",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(key.sign("a", now, "{}") for key in keys),
    }
    assert Webhook(SECRET).verify("{}", headers) == {}
    assert Webhook(OTHER).verify("{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify("{}", headers)
