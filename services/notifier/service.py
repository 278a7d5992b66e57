"""The notifier: alone in the house to speak to the outside. One reader, and senders per channel.

    ledger feed -> Reader -> rules -> outbox -> Sender (threads of each channel) -> channel

Senders begin once the reader has seen all that stood in the ledger when it started, so that a
signal cleared while the notifier was down is not sent. Each channel has threads of its own: one
that hangs holds up no other. A database out of reach is waited for; any other error ends `run`.
"""

from __future__ import annotations

import random
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from infra.plumbing.ledger.feed import LedgerFeed
from services.notifier.discovery import discover_rules, refuse_twins
from services.notifier.outbox import Outbox
from services.notifier.reader import Reader
from services.notifier.sender import Sender, Terms
from services.notifier.stumbling import Stumbling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg_pool import ConnectionPool

    from infra.plumbing.ledger.ledger import Ledger
    from services.notifier.alert import Rule
    from services.notifier.channel import Channel
    from services.notifier.reader import Feed

PATIENCE_SECONDS = 1.0
"""How long to wait for a database that is out of reach before the next try."""

FAREWELL_SECONDS = 15.0
"""How long a stop waits for a delivery under way; it is sent again after the next start."""

_log = structlog.get_logger("rapport.notifier")


class NotifierService:
    """Turns recorded facts into alerts, and hands each alert to every channel at least once."""

    def __init__(  # noqa: PLR0913 - what it is wired from, each by its name
        self,
        ledger: Ledger,
        pool: ConnectionPool[Any],
        channels: Sequence[Channel],
        *,
        rules: Sequence[Rule] | None = None,
        feed: Feed | None = None,
        terms: Terms | None = None,
    ) -> None:
        """Read `feed` (the ledger's own, if None), ask `rules` (all found, if None).

        `pool` should hold at least two connections more than there are channels.

        Raises:
            NameTaken: two rules or two channels bear one name.
        """
        refuse_twins("channels", (channel.name for channel in channels))
        self._ledger = ledger
        self._channels = tuple(channels)
        self._outbox = Outbox(pool)
        self._terms = terms or Terms(dice=random.random)
        asked = discover_rules() if rules is None else rules
        names = [channel.name for channel in channels]
        self._reader = Reader(
            feed or LedgerFeed(ledger, _conninfo(pool)),
            self._outbox,
            Stumbling(ledger, self._outbox, asked, names),
            asked,
            names,
        )
        self._news = Condition()
        self._caught_up = Event()
        self._failed: BaseException | None = None

    def run(self, stop: Event) -> None:
        """Read and send until `stop` is set, from any thread; returns when all threads ended.

        What still hangs after 15 s is left behind; it is sent again after the next start. On an
        error `run` sets `stop` itself, so that nothing goes on half.

        Raises:
            FactsSkipped, LedgerGap: the feed is not whole; nothing more was sent.
        """
        senders = [
            Thread(target=self._guard, args=(stop, sender), name=name, daemon=True)
            for name, sender in self._senders(stop)
        ]
        for thread in senders:
            thread.start()
        self._guard(stop, lambda: self._read(stop))
        with self._news:
            self._news.notify_all()
        end = monotonic() + FAREWELL_SECONDS
        for thread in senders:
            thread.join(max(0.0, end - monotonic()))
        if self._failed is not None:
            raise self._failed

    def _senders(self, stop: Event) -> list[tuple[str, Callable[[], None]]]:
        def work(sender: Sender) -> Callable[[], None]:
            return lambda: self._send(stop, sender)

        return [
            (f"{channel.name}-{number}", work(Sender(self._outbox, channel, self._terms)))
            for channel in self._channels
            for number in range(channel.workers)
        ]

    def _guard(self, stop: Event, work: Callable[[], None]) -> None:
        """Do `work` until `stop`, waiting for a database out of reach; keep any other error."""
        while not stop.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - kept, and raised by `run`
                if not out_of_reach(error):
                    self._failed = self._failed or error
                    stop.set()
                    return
                _log.warning("database_out_of_reach", error=type(error).__name__)
                stop.wait(PATIENCE_SECONDS)

    def _read(self, stop: Event) -> None:
        target = self._ledger.size()
        last = -1

        def read_through(position: int) -> None:
            nonlocal last
            if position == last:
                return
            last = position
            if position >= target:
                self._caught_up.set()
            with self._news:
                self._news.notify_all()

        self._reader.run(stop, read_through)

    def _send(self, stop: Event, sender: Sender) -> None:
        while not stop.is_set():
            if self._caught_up.is_set() and sender.send_one():
                continue
            with self._news:
                self._news.wait(self._terms.look_seconds)


def _conninfo(pool: ConnectionPool[Any]) -> str:
    return pool.conninfo if isinstance(pool.conninfo, str) else pool.conninfo()


def out_of_reach(error: BaseException) -> bool:
    """True if `error`, or what caused it, is a database that does not answer just now.

    The feed's library wraps the driver's error in one of its own; the cause tells them apart.
    """
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, psycopg.OperationalError | psycopg.InterfaceError):
            return True
        chain = chain.__cause__
    return False
