"""Finds a Chromium for the browser tests, or fetches one, or says what to do.

In order: one on the path, the one Playwright downloaded, Debian's package (as root), Playwright's
download. The browser is started so that it asks nobody but the machine it runs on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
ADVICE = (
    "No Chromium for the browser tests, and none could be installed. Install one "
    "(Debian: apt-get install chromium; elsewhere: python -m playwright install chromium), "
    "then run the tests again."
)


@contextmanager
def browser() -> Generator[Browser]:
    """A headless Chromium.

    Playwright keeps an event loop in its thread while it is open, so keep this short: per module,
    never for the whole session.
    """
    with sync_playwright() as playwright:
        path = find(playwright.chromium.executable_path)
        arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else ARGUMENTS
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield opened
        finally:
            opened.close()


@cache
def find(downloaded: str) -> str:
    """Path of a Chromium; `downloaded` is where Playwright would have put its own."""
    # One process at a time: test workers would run apt-get side by side.
    with Path(tempfile.gettempdir(), f"rapport-chromium-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _present(downloaded) or _installed(downloaded)


def _present(downloaded: str) -> str | None:
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    return downloaded if Path(downloaded).exists() else None


def _installed(downloaded: str) -> str:
    attempts: list[list[str]] = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts += [["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "chromium"]]
    attempts.append([sys.executable, "-m", "playwright", "install", "chromium"])
    said = ""
    for attempt in attempts:
        done = subprocess.run(attempt, capture_output=True, text=True, check=False)
        path = _present(downloaded)
        if path is not None:
            return path
        said = (done.stderr or done.stdout).strip()
    raise RuntimeError(f"{ADVICE}\nThe last attempt said: {said[-500:]}")
