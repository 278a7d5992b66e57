"""The command service put together: what its routes and loops share, opened and closed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.plumbing.away import AWAY
from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.errors import OutcomeUnknown
from services.command.gather import MAX_WAITING, MAX_WAITING_BYTES, Gatherer, Unfinished
from services.command.intake import Accepted
from services.command.privacy.service import Privacy
from services.command.privacy.steps import Means
from services.command.proposals import Proposals
from services.command.record import Recorder
from services.command.replay import Again, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from threading import Event
    from types import TracebackType
    from typing import Self

    from events.catalog import Catalog
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.vault import Vault
    from services.command.intake import Item
    from services.command.privacy.journal import Journal
    from services.command.record import Answer

NOT_NOW: Final = (*AWAY, TimeoutError)
"""Sending the same events again is safe. Nothing was stored, unless it is an `OutcomeUnknown`."""
ANSWER_SECONDS: Final = 30.0
"""A sender who was not answered by then is told to come back."""


class CommandService:
    """Takes events in. `close` it, or use it in a `with`."""

    def __init__(  # noqa: PLR0913 - the parts it is made of, each by name
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        pool: Pool,
        master: Master,
        catalog: Catalog,
        clock: Clock = system_clock,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        answer_seconds: float = ANSWER_SECONDS,
        rewrite: Callable[[datetime], int] | None = None,
        journal: Journal | None = None,
    ) -> None:
        """`rewrite` and `journal`: see `Means`."""
        self._answer_seconds = answer_seconds
        self.catalog = catalog
        self.recorder = Recorder(ledger, vault, pool, master, clock)
        self._gatherer = Gatherer[Accepted, "Answer"](
            self.recorder.record,
            shared=AWAY,
            size_of=lambda event: len(event.written),
            max_waiting=max_waiting,
            max_waiting_bytes=max_waiting_bytes,
        )
        self.proposals = Proposals(pool, self._gatherer.submit, catalog, AWAY, clock)
        means = Means(
            vault=vault,
            catalog=catalog,
            recorder=self.recorder,
            rows=ledger.recorder.rows,
            mac_key=self.recorder.mac_key,
            clock=clock,
            rewrite=rewrite,
            journal=journal,
        )
        self.privacy = Privacy(pool, means, AWAY)
        self.quarantine = Replay(pool, Again(self.recorder, vault, catalog), clock, AWAY)

    async def take(self, items: Sequence[Item]) -> list[Answer]:
        """Record what is accepted of a request, together with whatever else waits.

        Returns one answer per item in order, once it is durable.

        Raises:
            Overloaded (NoRoom is one), Closed: nothing was taken.
            OutcomeUnknown: not answered, by the database or within `answer_seconds`; what was
                begun by then may be stored, now or still. Send the same again.
            another of NOT_NOW: nothing was stored. Send the same again.
        """
        accepted = [item for item in items if isinstance(item, Accepted)]
        if not accepted:
            return [item for item in items if not isinstance(item, Accepted)]
        try:
            answers = iter(await self._gatherer.join(accepted, self._answer_seconds))
        except Unfinished:
            raise OutcomeUnknown("The recording was begun and takes too long.") from None
        return [next(answers) if isinstance(item, Accepted) else item for item in items]

    def run_proposals(self, stop: Event) -> None:
        """Record what the projections propose, until `stop` is set."""
        self.proposals.run(stop)

    def run_privacy(self, stop: Event) -> None:
        """Work off what was asked about customers' data, until `stop` is set."""
        self.privacy.run(stop)

    def run_quarantine(self, stop: Event) -> None:
        """Record what was set aside for being ahead of its time, as its time comes."""
        self.quarantine.run(stop)

    def close(self) -> None:
        """Take nothing more and finish what waits."""
        self._gatherer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
