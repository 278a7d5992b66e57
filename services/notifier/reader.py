"""Reads the ledger's feed and writes down what the rules say. Sends nothing."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

import structlog

from services.notifier.reactions import Stumble, reactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from events.facts import Fact
    from services.notifier.alert import Rule
    from services.notifier.outbox import Outbox
    from services.notifier.reactions import Reaction
    from services.notifier.stumbling import Stumbling

BATCH = 1_000

RETRY_SECONDS = 60.0
"""How long a rule that stumbled is left alone before it is asked again."""

_log = structlog.get_logger("rapport.notifier")


class Feed(Protocol):
    """Hands over facts in order of position, and an empty list at least every second when idle."""

    def batches(self, after: int, limit: int, stop: Event) -> Iterator[list[Fact]]:
        """Facts after position `after`, at most `limit` a batch, until `stop` is set."""
        ...


class Reader:
    """Follows `feed` from the outbox's own checkpoint, one transaction a batch."""

    def __init__(
        self,
        feed: Feed,
        outbox: Outbox,
        stumbling: Stumbling,
        rules: Sequence[Rule],
        channels: Sequence[str],
    ) -> None:
        """Ask `rules` about every fact; what they say goes to every one of `channels`.

        Rules that stumbled are asked again by `stumbling`, at the start and every minute.
        """
        self._stumbling = stumbling
        self._feed = feed
        self._outbox = outbox
        self._rules = rules
        self._channels = channels

    def run(self, stop: Event, read_through: Callable[[int], None]) -> None:
        """Read until `stop` is set; `read_through(position)` is called after every batch.

        Raises:
            FactsSkipped, LedgerGap: positions are left out.
            psycopg.OperationalError: the database is out of reach; call it again.
        """
        position = self._outbox.start()
        self._stumbling.retry(stop)
        retry_at = monotonic() + RETRY_SECONDS
        read_through(position)
        for facts in self._feed.batches(position, BATCH, stop):
            if facts:
                first, position = facts[0].position, facts[-1].position
                said = reactions(facts, self._rules)
                self._outbox.record(first, position, said, self._channels)
                _warn(said)
            if monotonic() >= retry_at:
                self._stumbling.retry(stop)
                retry_at = monotonic() + RETRY_SECONDS
            read_through(position)


def _warn(said: Sequence[Reaction]) -> None:
    for reaction in said:
        if isinstance(reaction, Stumble):
            _log.warning(
                "rule_stumbled",
                position=reaction.position,
                kind=reaction.rule,
                reason=reaction.reason,
            )
