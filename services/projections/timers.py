"""What waits for a moment rather than for an event: timers that fire, and events proposed.

Timers are rows kept equal to the folded states, so nothing scans customers. Firing one proposes
events through the outbox; the command service records them, and folding those makes the timer go.
A proposal's id is its event's id: proposing twice is proposing once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson
from psycopg.rows import tuple_row

from infra.plumbing.queries import Queries
from services.projections.read_model import StateModel
from services.projections.tables import load_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection

    from services.projections.read_model import Proposal
    from services.projections.rows import StateRow
    from services.projections.tables import Table

SQL = Queries.beside("services.projections", "timers.sql")
AT_ONCE = 500
"""Timers fired in one transaction."""
OPENING = "churn_signal.raised"
"""Only a caught-up reader may propose this: what is still unread may speak against it."""


class Folded(Protocol):
    """What the clock may act on: tables, and the connection that holds their locks."""

    @property
    def connection(self) -> Connection[Any]:
        """The one writing connection."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The tables it writes."""
        ...


def keep_timers(
    connection: Connection[Any], model: StateModel[Any], rows: Sequence[StateRow]
) -> None:
    """Make the timers of the customers in `rows` exactly those their states ask for."""
    if model.timers is None or not rows:
        return
    wanted = [(row.stream, kind, due) for row in rows for kind, due in _timers(model, row)]
    connection.execute(
        SQL["keep"],
        {
            "model": model.name,
            "streams": [row.stream for row in rows],
            "timed": [stream for stream, _, _ in wanted],
            "kinds": [kind for _, kind, _ in wanted],
            "due": [due for _, _, due in wanted],
        },
        prepare=True,
    )


def propose_closings(
    connection: Connection[Any], model: StateModel[Any], rows: Sequence[StateRow], now: datetime
) -> None:
    """Propose what the facts just folded have brought to an end, in the same transaction.

    What they begin waits for its timer: behind the feed's end it could already be over.
    """
    if model.proposals is None:
        return
    _propose(
        connection,
        (
            (row.stream, proposal)
            for row in rows
            for proposal in model.proposals(row.stream, row.state, now)
            if proposal.type != OPENING
        ),
    )


def fire_due(folded: Folded, now: datetime) -> int:
    """Propose what the due timers stand for; how many customers were looked at.

    Call it only when everything in the ledger is folded.

    Raises:
        psycopg.Error: what was fired so far stays fired; the rest waits.
    """
    return sum(
        _fire_all(folded.connection, table, now)
        for table in folded.tables
        if isinstance(table.model, StateModel) and table.model.proposals is not None
    )


def _fire_all(connection: Connection[Any], table: Table, now: datetime) -> int:
    fired = 0
    while batch := _fire_some(connection, table, now):
        fired += batch
    return fired


def _fire_some(connection: Connection[Any], table: Table, now: datetime) -> int:
    """Fire at most AT_ONCE timers in one transaction: proposed and marked, or neither."""
    model = table.model
    if not isinstance(model, StateModel) or model.proposals is None:
        return 0
    due = {"model": model.name, "now": now, "limit": AT_ONCE}
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        streams: list[UUID] = [row[0] for row in cursor.execute(SQL["due"], due)]
        if not streams:
            return 0
        states = load_states(connection, table, streams)
        _propose(
            connection,
            (
                (row.stream, proposal)
                for row in states.values()
                for proposal in model.proposals(row.stream, row.state, now)
            ),
        )
        cursor.execute(SQL["fired"], {"model": model.name, "streams": streams, "now": now})
    return len(streams)


def _propose(connection: Connection[Any], made: Iterable[tuple[UUID, Proposal]]) -> None:
    proposals = list(made)
    if not proposals:
        return
    connection.execute(
        SQL["propose"],
        {
            "id": [proposal.id for _, proposal in proposals],
            "stream": [stream for stream, _ in proposals],
            "type": [proposal.type for _, proposal in proposals],
            "occurred_at": [proposal.occurred_at for _, proposal in proposals],
            "data": [
                orjson.dumps(proposal.data, option=orjson.OPT_SORT_KEYS)
                for _, proposal in proposals
            ],
        },
    )


def _timers(model: StateModel[Any], row: StateRow) -> Iterable[tuple[str, datetime]]:
    return model.timers(row.state).items() if model.timers is not None else ()
