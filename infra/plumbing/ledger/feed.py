"""A tail on the ledger: batches of facts in order, as they come.

NOTIFY only makes it quicker. Every wait ends after a second and is followed by a look, so neither
an event committed between a look and LISTEN nor a half-open LISTEN connection can hold a reader up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from infra.plumbing.ledger.recorder import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from events.facts import Fact
    from infra.plumbing.ledger.ledger import Ledger

_LISTEN = b"LISTEN rapport_ledger"


class LedgerFeed:
    """Hands a worker the facts after its checkpoint, for ever."""

    def __init__(self, ledger: Ledger, conninfo: str) -> None:
        """Read from `ledger`; listen on a connection of its own to `conninfo`."""
        self._ledger = ledger
        self._conninfo = conninfo
        self._connection: psycopg.Connection[Any] | None = None

    def batches(self, after: int, limit: int, stop: Event) -> Iterator[list[Fact]]:
        """Facts after position `after`, at most `limit` a batch, until `stop` is set.

        An empty list comes at least every second while there is nothing new: the reader has caught
        up and may see to its timers.

        Raises:
            LedgerGap: positions are not dense.
            eventsourcing.persistence.OperationalError: the database stays out of reach.
        """
        try:
            while not stop.is_set():
                facts = self._ledger.facts_after(after, limit)
                if facts:
                    after = facts[-1].position
                yield facts
                if len(facts) < limit:
                    self._wait(stop)
        finally:
            self._hang_up()

    def _wait(self, stop: Event) -> None:
        """Until something was appended, `stop` is set, or a second is over."""
        if stop.is_set():
            return
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
                self._connection.execute(_LISTEN)
                return  # look once more: something may have come before LISTEN
            for _ in self._connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass
        except psycopg.OperationalError:
            self._hang_up()
            stop.wait(POLL_SECONDS)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
