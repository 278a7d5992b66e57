"""A notifier in a process of its own, to be killed: child.py CONNINFO URL SECRET LEASE_SECONDS."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING

from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.pool import make_pool
from infra.plumbing.settings import load_settings
from services.notifier.discovery import open_channels
from services.notifier.service import NotifierService
from tests.services.notifier.house import HASTY

if TYPE_CHECKING:
    from types import FrameType


def main(conninfo: str, url: str, secret: str, lease_seconds: str) -> None:
    """Run until SIGTERM."""
    stop = Event()

    def on_sigterm(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_sigterm)
    settings = load_settings(webhook_url=url, webhook_secret=secret)
    terms = replace(HASTY, lease=timedelta(seconds=float(lease_seconds)))
    with (
        Ledger.open(conninfo, connections=2) as ledger,
        make_pool(conninfo, max_size=4, name="notifier") as pool,
    ):
        NotifierService(ledger, pool, open_channels(settings), terms=terms).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
