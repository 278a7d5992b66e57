"""The answers about one customer, and about the platform's progress, in the contract's shapes.

Each answer is one consistent look at the read models. What happened after the asked instant, or
was recorded after `known_at`, does not count; then the customer is folded again from the ledger.
Lists over all customers are in portfolio.py. Nothing here knows HTTP.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.rows import tuple_row

from events.errors import BadIdentifier
from infra.plumbing.queries import Queries
from services.projections import shapes
from services.projections.asking import USUAL_ITEMS, Cursor, Window, read_cursor, read_time
from services.projections.errors import BadQuestion, Unknown
from services.projections.listing import ListQuestion
from services.projections.portfolio import Portfolio
from services.projections.read_models.customer_timeline import reader as timeline_reader
from services.projections.reading import look
from services.projections.scores import Scorer, newest_of_feeds, policy_named
from services.projections.scoring import health as scoring
from services.projections.scoring import rhythm, signals
from services.projections.scoring.wallet import shares

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    from events.catalog import Catalog
    from events.identifiers import Identifier
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.ledger import Ledger
    from services.projections.discovery import Found
    from services.projections.reading import Reading

SQL = Queries.beside("services.projections", "answers.sql")
OLD = timedelta(days=90)
FEW_RECENT = 100
"""See `suggested_as_of`."""
TIMELINE = "timeline"
ONE_DAY = timedelta(days=1)
MOST_POSITION = 2**63 - 1


class Directory(Protocol):
    """Who is who: the door to outside identifiers."""

    def find(self, ref: str) -> UUID | None:
        """The customer behind a UUID text or `kind:value`; BadIdentifier if it is neither."""
        ...

    def identifiers_of(
        self, streams: Sequence[UUID], known_at: datetime | None = None
    ) -> dict[UUID, list[Identifier]]:
        """The identifiers remembered of each customer, opened; those known by `known_at`."""
        ...


class Answers:
    """What the projections know. `as_of` None means now."""

    def __init__(  # noqa: PLR0913, PLR0917 - the doors it needs, by name
        self,
        ledger: Ledger,
        pool: ConnectionPool[Connection[Any]],
        directory: Directory,
        catalog: Catalog,
        found: Sequence[Found],
        clock: Clock,
    ) -> None:
        """Answer from the tables in `pool`, folding again from `ledger` where they do not fit."""
        self._ledger = ledger
        self._pool = pool
        self._directory = directory
        self._catalog = catalog
        self._found = found
        self._clock = clock
        self.lists = Portfolio(self._look, directory.identifiers_of)

    def position(self) -> int:
        """Every read model is folded through this position."""
        with self._pool.connection() as connection:
            row = connection.execute(SQL["position"]).fetchone()
        return row[0] if row else 0

    def progress(self) -> dict[str, Any]:
        """`{"position", "recorded"}`: events folded, events in the ledger."""
        position = self.position()
        return {"position": position, "recorded": max(position, self._ledger.size())}

    def suggested_as_of(self) -> datetime | None:
        """The day a page stands on if nobody names one; None means now.

        Where fewer than one customer in FEW_RECENT bought in the last 90 days, that is the end of
        the newest day with purchases before them: imported history, with little going on today.
        """
        with self._pool.connection() as connection, connection.cursor(row_factory=tuple_row) as one:
            row = one.execute(SQL["last_purchase"], {"old": self._clock() - OLD}).fetchone()
        buyers, recent, last = row or (0, 0, None)
        if last is None or recent * FEW_RECENT >= buyers:
            return None
        midnight = datetime.combine(last.date(), time(), last.tzinfo)
        return midnight + ONE_DAY - timedelta(seconds=1)

    def find(self, ref: str) -> UUID | None:
        """The customer behind `kind:value` or a UUID text; None if there is none."""
        try:
            return self._directory.find(ref)
        except (BadIdentifier, ValueError):
            return None

    def customer(
        self, customer: UUID, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> dict[str, Any]:
        """Who this is: counts, first and last seen, spend, masked identifiers.

        Raises:
            Unknown: nothing of this customer is folded.
        """
        with self._look(as_of, known_at) as reading:
            known = reading.connection.execute(SQL["known"], (customer,)).fetchone()
            entry = reading.state("customer_directory", customer)
            position = reading.position
        if known is None:
            raise Unknown("There is no such customer, or their first event is not folded yet.")
        names = self._directory.identifiers_of([customer], known_at).get(customer, [])
        return {
            **shapes.customer_item(customer, entry),
            "simulated": entry.simulated,
            "identifiers": shapes.masked(names),
            **shapes.stamp(reading.window.as_of, position),
        }

    def timeline(  # noqa: PLR0913 - the question's parameters, all by name
        self,
        customer: UUID,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        cursor: str | None = None,
        limit: int = USUAL_ITEMS,
        kind: str | None = None,
        simulated: bool | None = None,
    ) -> dict[str, Any]:
        """Everything that happened to the customer, newest first, a page at a time.

        Raises:
            BadQuestion: the cursor is none of ours.
        """
        after = None if cursor is None else read_cursor(cursor, TIMELINE, (str, int))
        before = None if after is None else _place(after)
        with self._look(after.as_of if after else as_of, known_at) as reading:
            window = reading.window
            limits = timeline_reader.Limits(window.as_of, window.known_at, kind, simulated)
            rows = timeline_reader.page(reading.connection, customer, limits, before, limit + 1)
            position = reading.position
        more = None
        if len(rows) > limit:
            last = rows[limit - 1]
            key = (shapes.format_time(last.occurred_at), last.position)
            more = str(Cursor(TIMELINE, window.as_of, key))
        return {
            "items": [shapes.timeline_item(row) for row in rows[:limit]],
            "next": more,
            **shapes.stamp(window.as_of, position),
        }

    def health(
        self,
        customer: UUID,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        policy: str | None = None,
    ) -> dict[str, Any]:
        """The health score.

        Raises:
            BadQuestion: there is no such policy.
        """
        rules = policy_named(policy)
        with self._look(as_of, known_at) as reading:
            health = Scorer(reading, rules).health(customer)
            return {
                **shapes.health_item(health),
                "simulated": _made_up(reading, customer),
                **shapes.stamp(reading.window.as_of, reading.position),
            }

    def health_explain(
        self,
        customer: UUID,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        policy: str | None = None,
    ) -> dict[str, Any]:
        """Every contribution to the health; the points sum to `value` exactly.

        Folded from the ledger, line by line. Raises BadQuestion for an unknown policy.
        """
        rules = policy_named(policy)
        with self._look(as_of, known_at) as reading:
            facts = reading.history(customer)
            feeds = newest_of_feeds(reading, rules, reading.window.as_of)
            position = reading.position
        at = reading.window.as_of
        state = scoring.fold(scoring.in_order(facts, at), rules)
        lines = scoring.explain(facts, rules, at, self._catalog.sentence, feeds)
        return {
            **shapes.health_item(scoring.score(state, rules, at, feeds)),
            "contributions": [shapes.contribution_item(line) for line in lines],
            "simulated": any(fact.simulated for fact in facts),
            **shapes.stamp(at, position),
        }

    def health_change(
        self,
        customer: UUID,
        *,
        start: datetime,
        end: datetime | None = None,
        known_at: datetime | None = None,
        policy: str | None = None,
    ) -> dict[str, Any]:
        """Why the health at `end` (None: now) differs from that at `start`, without remainder.

        Raises:
            BadQuestion: `end` lies before `start`, or there is no such policy.
        """
        rules = policy_named(policy)
        with self._look(end, known_at) as reading:
            at = reading.window.as_of
            if at < start:
                raise BadQuestion("to", "It lies before `from`.", "Swap the two.")
            facts = reading.history(customer)
            change = scoring.explain_change(
                facts,
                scoring.View(start, rules, known_at),
                scoring.View(at, rules, known_at),
                partial(newest_of_feeds, reading, rules),
            )
            item = shapes.change_item(change)
            item["from"] |= {"as_of": shapes.format_time(start)}
            item["to"] |= {"as_of": shapes.format_time(at)}
            return {
                **item,
                "policy_version": rules.version,
                **shapes.stamp(at, reading.position),
            }

    def wallet_share(
        self, customer: UUID, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> dict[str, Any]:
        """Our share of the customer's spend by category, each with its basis and interval."""
        rules = policy_named(None)
        with self._look(as_of, known_at) as reading:
            state = reading.state("wallet_share", customer)
            at = reading.window.as_of
            return {
                "items": [shapes.share_item(each) for each in shares(state, at, rules)],
                "next": None,
                "simulated": _made_up(reading, customer),
                "policy_version": rules.version,
                **shapes.stamp(at, reading.position),
            }

    def rhythm(
        self, customer: UUID, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> dict[str, Any]:
        """How often the customer buys (weeks), and when their silence becomes long."""
        rules = policy_named(None)
        with self._look(as_of, known_at) as reading:
            state = reading.state("purchase_rhythm", customer)
            at = reading.window.as_of
            statistics = rhythm.statistics(state, at)
            return {
                **shapes.rhythm_item(statistics, rhythm.due(state, rules.pace)),
                "policy_version": rules.version,
                **shapes.stamp(at, reading.position),
            }

    def signals(
        self, customer: UUID, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> dict[str, Any]:
        """Churn signals open at the instant, and how many were over before anybody was told."""
        rules = policy_named(None)
        with self._look(as_of, known_at) as reading:
            state = reading.state("churn_signals", customer)
            at = reading.window.as_of
            return {
                "items": [shapes.signal_item(each) for each in signals.signals(state, at, rules)],
                "next": None,
                "missed": shapes.missed_item(signals.missed(state)),
                "simulated": _made_up(reading, customer),
                **shapes.stamp(at, reading.position),
            }

    def portfolio(self, *, as_of: datetime | None = None) -> dict[str, Any]:
        """Every customer with health and wallet share, most spent first."""
        return self.lists.everyone(ListQuestion(as_of=as_of, sort="-spend", limit=None))

    def _look(
        self, as_of: datetime | None, known_at: datetime | None
    ) -> AbstractContextManager[Reading]:
        window = Window(as_of or self._clock(), known_at)
        return look(self._pool, self._ledger, self._found, window)


def _made_up(reading: Reading, customer: UUID) -> bool:
    """Whether any fact of the customer is made up, so that no answer about them hides it."""
    return reading.state("customer_directory", customer).simulated > 0


def _place(cursor: Cursor) -> timeline_reader.Place:
    """The timeline row a cursor points at.

    Raises:
        BadQuestion: it points at none.
    """
    occurred_at, position = cursor.key
    moment = read_time("cursor", occurred_at)
    if moment is None or not 0 < position <= MOST_POSITION:
        raise BadQuestion("cursor", "It is damaged.", "Send `next` of the last answer unchanged.")
    return timeline_reader.Place(moment, position)
