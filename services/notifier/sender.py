"""Takes due deliveries of one channel from the outbox, hands them over, notes how it went.

A delivery is claimed first and marked after: a program that dies in between sends it again, with
the same id. No transaction is open while a channel talks to the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from services.notifier.channel import Delivered, GiveUp, TryAgain
from services.notifier.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.notifier.channel import Channel, Message, Outcome
    from services.notifier.outbox import Outbox

LEASE = timedelta(seconds=20)
"""Longer than any channel may take for one message, and shorter than the 30 s of promise P14.

What a killed notifier had claimed is sent again when this is over.
"""

_log = structlog.get_logger("rapport.notifier")


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient a sender is, and its dice: a number in [0, 1) at every call.

    A delivery claimed and not marked within `lease` is sent again. A sender with nothing to do
    looks every `look_seconds` for retries that have come due.
    """

    dice: Callable[[], float]
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    lease: timedelta = LEASE
    look_seconds: float = 1.0


class Sender:
    """Sends for one channel; any number of senders may work on the same one."""

    def __init__(self, outbox: Outbox, channel: Channel, terms: Terms) -> None:
        """Send what `outbox` holds for `channel`."""
        self._outbox = outbox
        self._channel = channel
        self._terms = terms

    def send_one(self) -> bool:
        """Send what is due longest; False if nothing is due.

        Raises:
            psycopg.OperationalError: the database is out of reach; the delivery stays claimed
                until its lease is over, and is then sent (again).
        """
        name, retry = self._channel.name, self._terms.retry
        message = self._outbox.claim(name, self._terms.lease, retry.attempts)
        if message is None:
            self._outbox.bury_unfinished(name, retry.attempts)
            return False
        outcome = self._deliver(message)
        self._note(message, outcome)
        _log.info(
            "alert_attempted",
            channel=name,
            alert=str(message.alert_id),
            attempt=message.attempt,
            status=type(outcome).__name__,
            reason=None if isinstance(outcome, Delivered) else outcome.reason,
        )
        return True

    def _deliver(self, message: Message) -> Outcome:
        try:
            return self._channel.deliver(message)
        except Exception as error:  # noqa: BLE001 - a channel's fault is this delivery's, no other's
            return TryAgain(f"the channel raised {type(error).__name__}")

    def _note(self, message: Message, outcome: Outcome) -> None:
        name, retry = self._channel.name, self._terms.retry
        match outcome:
            case Delivered():
                self._outbox.delivered(name, message)
            case GiveUp(reason=reason):
                self._outbox.dead(name, message, reason)
            case TryAgain(reason=reason, asked=asked):
                wait = retry.wait(message.attempt, self._terms.dice(), asked)
                if asked is not None:
                    self._outbox.pause(name, min(asked, retry.cap))
                if retry.is_last(message.attempt):
                    last_word = f"{reason}; given up after {message.attempt} attempts"
                    self._outbox.dead(name, message, last_word)
                else:
                    self._outbox.put_back(name, message, wait, reason)
