"""A service that keeps dying is started again, after pauses that stay bounded."""

from __future__ import annotations

import subprocess
import sys
from time import monotonic

from rapport.running.children import FIRST_PAUSE_SECONDS, Child

CAUGHT_UP_SECONDS = 30
"""Promise P14: so long after a fault's end all is caught up, with nobody's help."""
START_SECONDS = 10
"""A service's own start and its first look, on a slow machine."""


def test_however_often_a_service_died_it_is_started_again_in_time() -> None:
    child = Child(["a command that is never started here"])
    pauses: list[float] = []
    for _ in range(8):
        child.process = subprocess.Popen([sys.executable, "-S", "-c", ""])
        child.started_at = monotonic()
        child.process.wait()
        child.look()
        assert child.process is None
        assert 0 < child.due_at - monotonic() <= child.pause
        pauses.append(child.pause)

    assert pauses[0] == 2 * FIRST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] + START_SECONDS < CAUGHT_UP_SECONDS
