"""One calm line on standard output for each alert."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.notifier.channel import Channel, Delivered, Message, Outcome, TryAgain

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.plumbing.settings import Settings


@dataclass(frozen=True, slots=True)
class ConsoleChannel:
    """Hands each alert's line to `write`, which adds the line's end. One at a time."""

    write: Callable[[str], None]
    name: str = "console"
    workers: int = 1

    def deliver(self, message: Message) -> Outcome:
        """Write the line; an output that is closed is tried again later."""
        try:
            self.write(f"alert  customer {message.customer}  {message.line}")
        except (OSError, ValueError) as error:
            return TryAgain(f"the console cannot be written to ({type(error).__name__})")
        return Delivered()


def open_channel(settings: Settings) -> Channel | None:
    """Open it in the embedded shape, and wherever no other way out is set: no alert goes unseen."""
    if settings.database_url is None or settings.webhook_url is None:
        return ConsoleChannel(write_line)
    return None


def write_line(line: str) -> None:
    """Write one whole line at once and flush it, so lines of several processes do not mix.

    Raises OSError or ValueError if standard output is gone.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
