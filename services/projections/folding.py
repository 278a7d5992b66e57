"""What does a batch of facts leave in a read model? Nothing here does I/O or reads a clock.

A fact a row has already seen is skipped. Where order matters and a fact happened before one
already folded, the customer is folded again from the whole history, which the caller fetches.
"""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from events.facts import PLATFORM
from services.projections.errors import FeedBroken, FoldFailed
from services.projections.rows import ROW_COLUMNS, StateRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from events.facts import Fact
    from services.projections.read_model import RowsModel, StateModel

    Recall = Callable[[Sequence[UUID]], Mapping[UUID, Sequence[Fact]]]
    """Streams -> their whole history through the batch's last position."""

RECALLED_TOGETHER = 200
"""Customers whose whole histories are held at once while late facts are folded in."""
_IN_ORDER = attrgetter("occurred_at", "position")


def check_dense(after: int, facts: Sequence[Fact]) -> None:
    """Positions must follow `after` without a hole.

    Raises:
        FeedBroken: they do not.
    """
    positions = [after, *(fact.position for fact in facts)]
    for last, following in pairwise(positions):
        if following != last + 1:
            raise FeedBroken(
                f"After position {last} the feed gave {following}. Nothing was folded; the "
                "projections stop here rather than leave a fact out."
            )


def by_stream(facts: Iterable[Fact]) -> dict[UUID, list[Fact]]:
    """The facts of each customer, in the order they were recorded; the platform is none."""
    streams: dict[UUID, list[Fact]] = {}
    for fact in facts:
        streams.setdefault(fact.stream, []).append(fact)
    streams.pop(PLATFORM, None)
    return streams


def fold_states(
    model: StateModel[Any],
    known: Mapping[UUID, StateRow],
    streams: Mapping[UUID, Sequence[Fact]],
    recall: Recall,
) -> list[StateRow]:
    """The rows that `streams` change, each folded through its customer's last fact.

    Raises:
        FoldFailed: the model's step raised.
    """
    unseen = {
        stream: fresh
        for stream, facts in streams.items()
        if (fresh := _unseen(known.get(stream), facts))
    }
    late = [
        stream
        for stream, facts in unseen.items()
        if model.order_matters and _is_late(known.get(stream), facts)
    ]
    rows: list[StateRow] = []
    for start in range(0, len(late), RECALLED_TOGETHER):
        histories = recall(late[start : start + RECALLED_TOGETHER])
        for stream, history in histories.items():
            ordered = sorted(history, key=_IN_ORDER)
            state = _fold(model, model.start(), ordered, trigger=unseen[stream][0].position)
            rows.append(_row(known.get(stream), unseen.pop(stream), state))
    for stream, facts in unseen.items():
        state = known[stream].state if stream in known else model.start()
        ordered = sorted(facts, key=_IN_ORDER) if model.order_matters else facts
        rows.append(_row(known.get(stream), facts, _fold(model, state, ordered)))
    return rows


def fold_rows(
    model: RowsModel, columns: Sequence[str], facts: Iterable[Fact]
) -> dict[str, list[Any]]:
    """The rows of `facts` as column name -> values, for every one of the table's `columns`.

    Raises:
        FoldFailed: the model's row raised, or does not fit its table.
    """
    arrays: dict[str, list[Any]] = {name: [] for name in columns}
    for fact in facts:
        if fact.stream == PLATFORM:
            continue
        try:
            made = model.row(fact)
        except Exception as error:
            raise _failed(model, fact, fact.position) from error
        if made is None:
            continue
        row = {name: getattr(fact, name) for name in ROW_COLUMNS}
        row.update(made)
        if row.keys() != arrays.keys():
            raise _failed(model, fact, fact.position)
        for name, value in row.items():
            arrays[name].append(value)
    return arrays


def packed(model: StateModel[Any], rows: Sequence[StateRow]) -> dict[str, list[Any]]:
    """`rows` as column name -> values, the states packed."""
    arrays: dict[str, list[Any]] = {
        "stream": [row.stream for row in rows],
        "position": [row.position for row in rows],
        "last_occurred_at": [row.last_occurred_at for row in rows],
        "state": [model.pack(row.state) for row in rows],
    }
    for name, figure in model.columns.items():
        arrays[name] = [figure(row.state) for row in rows]
    return arrays


def refold(model: StateModel[Any], history: Sequence[Fact]) -> Any:
    """The state one customer's whole `history` leaves, as the worker would have folded it.

    Raises:
        FoldFailed: the model's step raised.
    """
    key = _IN_ORDER if model.order_matters else attrgetter("position")
    return _fold(model, model.start(), sorted(history, key=key))


def refolded(model: StateModel[Any], histories: Mapping[UUID, Sequence[Fact]]) -> list[StateRow]:
    """The rows that whole histories (in order of position) leave; no facts, no row.

    Raises:
        FoldFailed: the model's step raised.
    """
    return [
        _row(None, history, refold(model, history)) for history in histories.values() if history
    ]


def _unseen(row: StateRow | None, facts: Sequence[Fact]) -> Sequence[Fact]:
    if row is None or facts[0].position > row.position:
        return facts
    return [fact for fact in facts if fact.position > row.position]


def _is_late(row: StateRow | None, facts: Sequence[Fact]) -> bool:
    """Does a fact belong before one that is folded already?"""
    return row is not None and any(fact.occurred_at < row.last_occurred_at for fact in facts)


def _fold(
    model: StateModel[Any], state: Any, facts: Sequence[Fact], *, trigger: int | None = None
) -> Any:
    read = 0
    step = model.step
    try:
        for fact in facts:
            state = step(state, fact)
            read += 1
    except Exception as error:
        fact = facts[read]
        raise _failed(model, fact, fact.position if trigger is None else trigger) from error
    return state


def _row(known: StateRow | None, facts: Sequence[Fact], state: Any) -> StateRow:
    last = max(fact.occurred_at for fact in facts)
    return StateRow(
        stream=facts[0].stream,
        position=facts[-1].position,
        last_occurred_at=last if known is None else max(last, known.last_occurred_at),
        state=state,
    )


def _failed(model: StateModel[Any] | RowsModel, fact: Fact, trigger: int) -> FoldFailed:
    return FoldFailed(
        model=model.name, position=fact.position, fact_type=fact.type, trigger=trigger
    )
