"""SIGTERM and SIGINT ask for an orderly stop: at start by leaving, while serving by a flag."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT)


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
