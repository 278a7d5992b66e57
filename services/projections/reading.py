"""One consistent look at the read models: everything in it is folded through one position.

A customer's row is the answer while no fact in it lies after the asked instant; else the customer
is folded again from the ledger, up to the very position the rows stand at.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from psycopg import sql
from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries
from services.projections.errors import BrokenReadModel
from services.projections.folding import refold
from services.projections.read_model import StateModel

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

    from events.facts import Fact
    from services.projections.asking import Window
    from services.projections.discovery import Found

SQL = Queries.beside("services.projections", "reading.sql")
AT_ONCE = 500
"""Customers folded again from one query: a bound on memory."""
_EVERY = sql.SQL("SELECT stream, last_occurred_at, state FROM {}")
_SOME = sql.SQL("SELECT stream, last_occurred_at, state FROM {} WHERE stream = ANY(%(streams)s)")


class History(Protocol):
    """What the readers ask of the ledger."""

    def histories(
        self,
        streams: Sequence[UUID],
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        up_to: int | None = None,
    ) -> dict[UUID, list[Fact]]:
        """Each customer's facts in order of arrival, within the limits given."""
        ...


class Reading:
    """The read models at one position, through one window. Use it within `look`."""

    def __init__(
        self,
        connection: Connection[Any],
        ledger: History,
        models: Mapping[str, StateModel[Any]],
        window: Window,
    ) -> None:
        """Read over `connection`, which is in a snapshot of its own."""
        self.connection = connection
        self.window = window
        self._ledger = ledger
        self._models = models
        with self.cursor() as cursor:
            self._progress: dict[str, int] = dict(cursor.execute(SQL["progress"]).fetchall())
        self._kept: dict[UUID, list[Fact]] = {}

    @property
    def position(self) -> int:
        """Every read model is folded through this position; 0 before the first."""
        return min(self._progress.values(), default=0)

    @property
    def progress(self) -> tuple[tuple[str, int], ...]:
        """Each read model and how far it is folded: two readings that agree on it are alike."""
        return tuple(sorted(self._progress.items()))

    def cursor(self) -> Cursor[Any]:
        """A cursor of plain binary tuples in this snapshot."""
        return self.connection.cursor(row_factory=tuple_row, binary=True)

    def state(self, name: str, customer: UUID) -> Any:
        """One customer's state in the model `name`; the start state where nothing is known."""
        states = self.states([name], [customer])[name]
        return states[customer] if customer in states else self._model(name).start()

    def states(
        self, names: Sequence[str], customers: Sequence[UUID] | None = None
    ) -> dict[str, dict[UUID, Any]]:
        """The states of `customers` (None: all) within the window, by model and customer.

        A customer of whom nothing had happened or was known within the window is left out.
        """
        states: dict[str, dict[UUID, Any]] = {}
        again: set[UUID] = set()
        for name in names:
            states[name], late = self._rows(name, customers)
            again |= late
        for chunk in _chunks(sorted(again)):
            histories = self._histories(chunk)
            for name in names:
                self._refold(name, histories, states[name])
        return states

    def chunks(self) -> Iterator[Sequence[UUID]]:
        """Everybody there is, a bounded number at a time."""
        with self.cursor() as cursor:
            everyone = [row[0] for row in cursor.execute(SQL["everyone"])]
        return _chunks(everyone)

    def with_open_signals(self) -> Sequence[UUID]:
        """Customers whose latest state has a signal open that was raised."""
        with self.cursor() as cursor:
            return [row[0] for row in cursor.execute(SQL["with_open_signals"])]

    def history(self, customer: UUID) -> list[Fact]:
        """One customer's facts within the window, through this reading's position, as they came."""
        return _through(self._histories([customer])[customer], self.position)

    def _rows(
        self, name: str, customers: Sequence[UUID] | None
    ) -> tuple[dict[UUID, Any], set[UUID]]:
        """The states that stand within the window, and the customers whose state does not."""
        model = self._model(name)
        view = sql.Identifier("read", name)
        query = (_EVERY if customers is None else _SOME).format(view)
        states: dict[UUID, Any] = {}
        late: set[UUID] = set()
        unpack = model.unpack
        with self.cursor() as cursor:
            for stream, last, packed in cursor.execute(query, {"streams": list(customers or ())}):
                if self.window.known_at is not None or last > self.window.as_of:
                    late.add(stream)
                else:
                    states[stream] = unpack(packed)
        return states, late

    def _refold(
        self, name: str, histories: Mapping[UUID, list[Fact]], states: dict[UUID, Any]
    ) -> None:
        """Put the states of `histories` into `states`, each as at the model's own position."""
        model = self._model(name)
        for stream, history in histories.items():
            facts = _through(history, self._progress[name])
            if facts:
                states[stream] = refold(model, facts)

    def _histories(self, customers: Sequence[UUID]) -> dict[UUID, list[Fact]]:
        """Their facts within the window; one customer's are kept, as they are asked for again."""
        if len(customers) == 1 and customers[0] in self._kept:
            return {customers[0]: self._kept[customers[0]]}
        histories = self._ledger.histories(
            customers,
            as_of=self.window.as_of,
            known_at=self.window.known_at,
            up_to=max(self._progress.values(), default=0),
        )
        if len(customers) == 1:
            self._kept = histories
        return histories

    def _model(self, name: str) -> StateModel[Any]:
        if name not in self._models:
            raise BrokenReadModel(f"There is no read model {name} that keeps a state a customer.")
        return self._models[name]


@contextmanager
def look(
    pool: ConnectionPool[Connection[Any]], ledger: History, found: Iterable[Found], window: Window
) -> Generator[Reading]:
    """Open one snapshot of the read models for the length of a `with`."""
    models = {one.model.name: one.model for one in found if isinstance(one.model, StateModel)}
    with pool.connection() as connection, connection.transaction():
        connection.execute(SQL["snapshot"])
        yield Reading(connection, ledger, models, window)


def _chunks(customers: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for begin in range(0, len(customers), AT_ONCE):
        yield customers[begin : begin + AT_ONCE]


def _through(history: list[Fact], position: int) -> list[Fact]:
    if not history or history[-1].position <= position:
        return history
    return [fact for fact in history if fact.position <= position]
