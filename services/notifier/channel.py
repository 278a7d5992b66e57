"""What a file in `channels/` must offer. The only files that know a way out of the house.

Each offers `open_channel(settings) -> Channel | None`; None means the settings do not ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt: `attempt` counts from 1, all else is the same at every attempt."""

    alert_id: UUID
    customer: UUID
    attempt: int
    line: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has taken it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may work later. `asked`: the receiver wants to be left alone for so long."""

    reason: str
    asked: timedelta | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It will never work; the delivery is kept as dead with this reason."""

    reason: str


Outcome = Delivered | TryAgain | GiveUp


class Channel(Protocol):
    """A way to reach somebody. `deliver` is called from `workers` threads at once."""

    @property
    def name(self) -> str:
        """The name its deliveries are stored under; never change it."""
        ...

    @property
    def workers(self) -> int:
        """How many deliveries may be under way at once."""
        ...

    def deliver(self, message: Message) -> Outcome:
        """Hand `message` over and say how it went; ends within half a minute, does not raise."""
        ...
