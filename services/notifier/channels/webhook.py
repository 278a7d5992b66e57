"""Posts each alert to one address, signed as Standard Webhooks says.

    POST <RAPPORT_WEBHOOK_URL>
    webhook-id: <alert id>             the same at every attempt: the receiver drops repeats by it
    webhook-timestamp: <unix seconds>  of this attempt
    webhook-signature: v1,<base64 HMAC-SHA256 of "id.timestamp.body">

    {"type": "churn_signal.alert", "timestamp": "...", "data": {...}}

Taken: any 2xx. Over for good: 410. All else is tried again; Retry-After is kept to. Redirects are
not followed. Ten seconds are all an attempt may take, however slowly its bytes come.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
from standardwebhooks import Webhook

from infra.plumbing.clock import system_clock
from infra.plumbing.http.posting import post_once
from services.notifier.channel import Channel, Delivered, GiveUp, Message, Outcome, TryAgain
from services.notifier.errors import ChannelMisconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

    from infra.plumbing.clock import Clock
    from infra.plumbing.settings import Settings

DEADLINE = timedelta(seconds=10)
SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix that marks a secret as one
SECRET_BYTES = range(24, 65)
"""Standard Webhooks: at least 24 random bytes (192 bits), at most 64 (512 bits)."""

MAKE_A_SECRET = "echo whsec_$(openssl rand -base64 32)"  # noqa: S105 - a command, not a secret


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """One address and the keys its messages are signed with (several while one is replaced)."""

    url: str
    keys: Sequence[Webhook]
    tls: SSLContext
    clock: Clock = system_clock
    deadline: timedelta = DEADLINE
    name: str = "webhook"
    workers: int = 4

    def deliver(self, message: Message) -> Outcome:
        """Post `message` once; a reason never holds the address, which may be a secret itself."""
        try:
            answer = post_once(
                self.url,
                message.body,
                self._headers(message),
                seconds=self.deadline.total_seconds(),
                tls=self.tls,
            )
        except TimeoutError:
            return TryAgain(f"no answer within {self.deadline.total_seconds():g} seconds")
        except httpx2.TransportError as error:
            return TryAgain(f"the receiver could not be reached ({type(error).__name__})")
        return read_answer(answer.status, answer.retry_after, self.clock())

    def _headers(self, message: Message) -> dict[str, str]:
        # The library takes any datetime for UTC, so it must be UTC.
        at = self.clock().astimezone(UTC)
        identity, text = str(message.alert_id), message.body.decode()
        return {
            "content-type": "application/json",
            "user-agent": "rapport-notifier",
            "webhook-id": identity,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(key.sign(identity, at, text) for key in self.keys),
        }


def open_channel(settings: Settings) -> Channel | None:
    """Open it if an address is set; several secrets, parted by spaces, sign side by side.

    Raises:
        ChannelMisconfigured: the secret is missing or none, or the address is not a plain one.
    """
    if settings.webhook_url is None:
        return None
    check_url(settings.webhook_url)
    secret = settings.webhook_secret
    keys = read_secrets(secret.get_secret_value() if secret else "")
    for chatty in ("httpx2", "httpcore2"):
        # Their lines hold the whole address, and some addresses are secrets.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return WebhookChannel(settings.webhook_url, keys, httpx2.create_ssl_context())


def check_url(url: str) -> None:
    """Raise ChannelMisconfigured unless `url` is http or https, with a host and no user in it."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise ChannelMisconfigured(
            "RAPPORT_WEBHOOK_URL is no address. Set it to one like https://example.com/hooks."
        ) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ChannelMisconfigured(
            "RAPPORT_WEBHOOK_URL must begin with https:// (or http://) and name a host, "
            "like https://example.com/hooks."
        )
    if user is not None:
        raise ChannelMisconfigured(
            "RAPPORT_WEBHOOK_URL holds a user name. Take it out: the receiver knows us by the "
            "signature."
        )


def read_secrets(text: str) -> tuple[Webhook, ...]:
    """Read one or more `whsec_...` secrets, parted by spaces; the first is the newest.

    Raises:
        ChannelMisconfigured: there is none, or one is not `whsec_` and 24 to 64 bytes in base64.
    """
    secrets = text.split()
    if not secrets:
        raise ChannelMisconfigured(
            "RAPPORT_WEBHOOK_URL is set and RAPPORT_WEBHOOK_SECRET is not, so nothing could be "
            f"signed. Make one with: {MAKE_A_SECRET}"
        )
    return tuple(Webhook(_key_bytes(secret)) for secret in secrets)


def read_answer(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """Say what an answer means for the delivery. Pure."""
    if status in range(200, 300):
        return Delivered()
    if status == HTTPStatus.GONE:
        return GiveUp("the receiver answered 410: it is gone and wants no more")
    hint = " (redirects are not followed)" if status in range(300, 400) else ""
    return TryAgain(f"the receiver answered {status}{hint}", read_retry_after(retry_after, now))


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read Retry-After, seconds or an HTTP date, as a wait from `now`; None if it is neither.

    A date that has passed is no wait, and so is None. Pure.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        # Nine digits are 31 years; more would not fit a timedelta.
        return timedelta(seconds=int(text[:9]))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return wait if wait > timedelta(0) else None


def _key_bytes(secret: str) -> bytes:
    try:
        text = secret.removeprefix(SECRET_PREFIX).rstrip("=")
        # Some makers leave the padding out.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ChannelMisconfigured(
            "RAPPORT_WEBHOOK_SECRET must be whsec_ and then 24 to 64 random bytes in base64. "
            f"Make one with: {MAKE_A_SECRET}"
        )
    return key
