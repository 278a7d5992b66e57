"""A worker in a process of its own, for a test to kill. Prints a line once it has begun to fold."""

from __future__ import annotations

import signal
import sys
from threading import Event, Thread

import psycopg

from infra.plumbing.ledger.feed import LedgerFeed
from infra.plumbing.ledger.ledger import Ledger
from services.projections import service
from services.projections.discovery import find_read_models


def main(conninfo: str) -> None:
    """Fold in small batches until SIGTERM or SIGKILL."""
    stop = Event()

    def end(_number: int, _frame: object) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    service.BATCH = 20
    with Ledger.open(conninfo) as ledger:
        feed = LedgerFeed(ledger, conninfo)
        Thread(target=_tell_when_moved, args=(conninfo, stop), daemon=True).start()
        service.run_worker(conninfo, find_read_models(), ledger, feed, stop)


def _tell_when_moved(conninfo: str, stop: Event) -> None:
    """Print once the checkpoint has moved: from now on a kill hits a worker at work."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        query = "SELECT coalesce(max(position), 0) FROM read.checkpoints"
        before = connection.execute(query).fetchone()
        while not stop.wait(0.002):
            if connection.execute(query).fetchone() != before:
                sys.stdout.write("folding\n")
                sys.stdout.flush()
                return


if __name__ == "__main__":
    main(sys.argv[1])
