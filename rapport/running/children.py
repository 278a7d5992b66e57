"""Services as child processes: started, started again when they die, gone when the parent is.

A child gets a pipe as its standard input that nobody writes to. When the parent ends, however it
ends, the pipe closes and the child stops itself (`stop_with_parent`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

CHILD_MARK = "RAPPORT_CHILD_OF"
"""Environment variable that tells a service it is a child, and of which process."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
"""With a start of some seconds this leaves it well within the 30 s of promise P14."""
STEADY_SECONDS = 60.0
"""A child that ran this long is started again without a pause."""
FAREWELL_SECONDS = 20.0
LOOK_SECONDS = 0.2

log = structlog.get_logger("rapport.children")


@dataclass(slots=True)
class Child:
    """One `rapport` command kept running."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    due_at: float = 0.0

    def start(self) -> None:
        """Start it with a pipe that ends when this process does."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rapport", *self.command],
            stdin=subprocess.PIPE,
            env={**os.environ, CHILD_MARK: str(os.getpid())},
            start_new_session=True,  # Ctrl-C is for the parent, which then stops its children
        )

    def look(self) -> None:
        """Start it again if it died, after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            code, self.process = self.process.returncode, None
            steady = now - self.started_at > STEADY_SECONDS
            self.pause = (
                FIRST_PAUSE_SECONDS if steady else min(2 * self.pause, LONGEST_PAUSE_SECONDS)
            )
            self.due_at = now + (0 if steady else self.pause)
            log.warning("service died", service=self.command[0], code=code, again_in=self.pause)
        if self.process is None and now >= self.due_at:
            self.start()

    def stop(self) -> None:
        """Close its pipe, wait for its orderly end, and end it if that takes too long."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("service did not stop in time", service=self.command[0])
            process.kill()
            process.wait()


@dataclass(slots=True)
class Children:
    """Several children and the thread that looks after them; use it in a `with`."""

    commands: Sequence[Sequence[str]]
    _children: list[Child] = field(default_factory=list[Child])
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        """Start them all."""
        self._children = [Child(command) for command in self.commands]
        for child in self._children:
            child.start()
        self._thread = Thread(target=self._watch, name="children", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them all."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for child in self._children:
            child.stop()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for child in self._children:
                child.look()


def stop_with_parent(stop: Event) -> None:
    """In a child: set `stop` when the parent is gone. Does nothing in any other process."""
    if CHILD_MARK not in os.environ:
        return

    def wait() -> None:
        # Ends when the parent's end of the pipe is closed. Not `sys.stdin`: a thread that holds its
        # lock while the interpreter ends makes it abort.
        while os.read(0, 1):
            pass
        stop.set()
        time.sleep(FAREWELL_SECONDS)  # then it hangs: no orderly end came
        os._exit(1)

    Thread(target=wait, name="parent", daemon=True).start()
