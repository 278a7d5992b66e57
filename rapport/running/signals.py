"""SIGTERM and SIGINT ask for an orderly stop: at start by leaving, while serving by a flag."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT)


STOPPED = 128
"""What a shell adds the signal's number to, for a program that a signal ended."""


@contextmanager
def leaving_when_asked() -> Generator[None]:
    """Within, SIGTERM ends the program as an exception does: what was begun is put away first."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the first
    raise SystemExit(STOPPED + number)


@dataclass(slots=True)
class StopSignals:
    """Use it in a `with` in the main thread. `stop` is set by a signal once `serving` is true."""

    stop: Event = field(default_factory=Event)
    serving: bool = False
    _before: dict[int, Any] = field(default_factory=dict[int, Any])

    def __enter__(self) -> Self:
        """Take the signals over."""
        for number in ASKING:
            self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.stop.set()
        if not self.serving:
            raise SystemExit(0)
