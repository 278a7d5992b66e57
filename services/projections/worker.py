"""Folds batches of facts into every read model: rows and checkpoints in ONE transaction.

The worker's one connection holds an advisory lock for each table, so a table has one writer at a
time; whoever loses the connection loses the lock and the open transaction with it. Each batch
compares the stored checkpoints with the worker's own before it writes. Does no outside I/O.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries
from services.projections import folding
from services.projections.errors import CheckpointMoved
from services.projections.read_model import StateModel
from services.projections.remembered import Remembered
from services.projections.tables import clear_rows, prepare, write_rows
from services.projections.timers import keep_timers, propose_closings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from threading import Event
    from types import TracebackType
    from typing import Self
    from uuid import UUID

    from psycopg import Connection

    from events.facts import Fact
    from services.projections.discovery import Found
    from services.projections.tables import Table

SQL = Queries.beside("services.projections", "worker.sql")
LOCK_POLL_SECONDS = 0.5
FACTS_KEPT = 50_000
"""Facts of recalled histories held for the models that follow: about 150 MB."""


class Histories(Protocol):
    """What the worker asks of the ledger."""

    def histories(self, streams: Sequence[UUID], *, up_to: int | None) -> dict[UUID, list[Fact]]:
        """Each customer's facts through position `up_to`."""
        ...


class Worker:
    """One writer of the read models' tables."""

    def __init__(
        self, connection: Connection[Any], tables: Sequence[Table], ledger: Histories
    ) -> None:
        """Fold into `tables`, whose locks `connection` holds (see `hire`)."""
        self.connection = connection
        self.tables = tables
        self._ledger = ledger
        self._remembered = Remembered()
        self._checkpoints = self._stored_checkpoints()

    @classmethod
    def hire(
        cls, conninfo: str, found: Sequence[Found], ledger: Histories, stop: Event
    ) -> Worker | None:
        """Make the tables and wait until no other worker folds them; None if `stop` came first.

        Raises:
            BrokenReadModel: a table does not fit its fold.
        """
        connection = psycopg.connect(
            conninfo, autocommit=True, application_name="rapport projections"
        )
        try:
            # The locks are held as long as the session anyway; a long fold must not be cut off.
            connection.execute(SQL["no_idle_limit"])
            tables = prepare(connection, found)
            if _lock(connection, tables, stop):
                return cls(connection, tables, ledger)
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    @property
    def position(self) -> int:
        """Every table is folded at least through this position."""
        return min(self._checkpoints.values(), default=0)

    def take(self, facts: Sequence[Fact], now: datetime) -> None:
        """Fold the facts that follow `position` and move every checkpoint, or change nothing.

        Raises:
            FeedBroken: a position is missing.
            CheckpointMoved: another worker has been here.
            FoldFailed: a read model raised on a fact.
            psycopg.Error: nothing was written, or the outcome of the commit is unknown; hire anew.
        """
        if not facts:
            return
        folding.check_dense(self.position, facts)
        through = facts[-1].position
        moved = {name: max(position, through) for name, position in self._checkpoints.items()}
        try:
            with self.connection.transaction():
                self._check_checkpoints()
                self._fold_all(_Batch(facts, self._ledger), now)
                self.connection.execute(
                    SQL["move"], {"names": list(moved), "positions": list(moved.values())}
                )
        except BaseException:
            self._remembered.forget()
            raise
        self._remembered.committed()
        self._checkpoints = moved

    def refold_removed(self, limit: int) -> int:
        """Fold anew the next customers, at most `limit`, whose events lost bodies; how many.

        Afterwards every row is what the ledger as it is now leaves: what was dropped has gone from
        the read models too. Proposes nothing.

        Raises:
            CheckpointMoved, FoldFailed, psycopg.Error: nothing was changed.
        """
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            removals: list[tuple[int, UUID]] = cursor.execute(SQL["removals"], (limit,)).fetchall()
        if not removals:
            return 0
        streams = [stream for _, stream in removals]
        try:
            with self.connection.transaction():
                self._check_checkpoints()
                through = max(self._checkpoints.values())
                histories = self._ledger.histories(streams, up_to=through)
                for table in self.tables:
                    self._refold(table, histories)
                self.connection.execute(SQL["refolded"], (removals[-1][0],))
        except BaseException:
            self._remembered.forget()
            raise
        self._remembered.committed()
        return len(removals)

    def _refold(self, table: Table, whole: Mapping[UUID, Sequence[Fact]]) -> None:
        """Replace these customers' rows by what their histories leave, through the checkpoint."""
        model = table.model
        through = self._checkpoints[table.name]
        histories = {
            stream: [fact for fact in history if fact.position <= through]
            for stream, history in whole.items()
        }
        clear_rows(self.connection, table, list(histories))
        if not isinstance(model, StateModel):
            facts = [fact for history in histories.values() for fact in history]
            write_rows(self.connection, table, folding.fold_rows(model, table.columns, facts))
            return
        rows = folding.refolded(model, histories)
        write_rows(self.connection, table, folding.packed(model, rows))
        self._remembered.wrote(table, rows)
        keep_timers(self.connection, model, rows)

    def _fold_all(self, batch: _Batch, now: datetime) -> None:
        """Fold into each table what it has not seen; one further on than the others waits."""
        for table in self.tables:
            fresh = batch.after(self._checkpoints[table.name])
            if not fresh.facts:
                continue
            model = table.model
            if isinstance(model, StateModel):
                self._fold_states(table, model, fresh, now)
            else:
                rows = folding.fold_rows(model, table.columns, fresh.facts)
                write_rows(self.connection, table, rows)

    def _fold_states(
        self, table: Table, model: StateModel[Any], batch: _Batch, now: datetime
    ) -> None:
        known = self._remembered.load(self.connection, table, list(batch.streams))
        rows = folding.fold_states(model, known, batch.streams, batch.recall)
        write_rows(self.connection, table, folding.packed(model, rows))
        self._remembered.wrote(table, rows)
        keep_timers(self.connection, model, rows)
        propose_closings(self.connection, model, rows, now)

    def _stored_checkpoints(self) -> dict[str, int]:
        names = [table.name for table in self.tables]
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            return dict(cursor.execute(SQL["checkpoints"], (names,)).fetchall())

    def _check_checkpoints(self) -> None:
        stored = self._stored_checkpoints()
        if stored != self._checkpoints:
            raise CheckpointMoved(
                "Another worker has moved the checkpoints of the read models; this one wrote "
                "nothing and begins again from where they stand."
            )


class _Batch:
    """Facts that follow each other, by customer, and their customers' histories when needed."""

    def __init__(self, facts: Sequence[Fact], ledger: Histories) -> None:
        self.facts = facts
        self._ledger = ledger
        self._histories: dict[UUID, list[Fact]] = {}

    @cached_property
    def streams(self) -> Mapping[UUID, Sequence[Fact]]:
        """The facts of each customer."""
        return folding.by_stream(self.facts)

    def after(self, position: int) -> _Batch:
        """The part of the batch after `position`."""
        if position < self.facts[0].position:
            return self
        return _Batch([fact for fact in self.facts if fact.position > position], self._ledger)

    def recall(self, customers: Sequence[UUID]) -> Mapping[UUID, Sequence[Fact]]:
        """Their whole histories through the batch's last position.

        Each is fetched once for all models, as long as no more than FACTS_KEPT are held.
        """
        missing = [customer for customer in customers if customer not in self._histories]
        found = self._ledger.histories(missing, up_to=self.facts[-1].position) if missing else {}
        kept = sum(map(len, self._histories.values()))
        if kept + sum(map(len, found.values())) <= FACTS_KEPT:
            self._histories.update(found)
        return {each: found[each] if each in found else self._histories[each] for each in customers}


def _lock(connection: Connection[Any], tables: Sequence[Table], stop: Event) -> bool:
    """Take every table's lock, in one order for all workers; False if `stop` came first."""
    return all(_lock_one(connection, name, stop) for name in sorted(_names(tables)))


def _lock_one(connection: Connection[Any], name: str, stop: Event) -> bool:
    with connection.cursor(row_factory=tuple_row) as cursor:
        while not stop.is_set():
            row = cursor.execute(SQL["try_lock"], (name,)).fetchone()
            if row is not None and row[0]:
                return True
            stop.wait(LOCK_POLL_SECONDS)
    return False


def _names(tables: Sequence[Table]) -> Iterator[str]:
    return (table.name for table in tables)
