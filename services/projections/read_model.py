"""What a folder in `read_models/` must offer. Nothing here does I/O.

Two shapes: a `StateModel` keeps one bounded row per customer (the folded state and some of its
figures as typed columns); a `RowsModel` keeps one row per event (a history has no bound).
Each folder's `fold.py` offers `read_model()`; discovery finds the folder, no list is edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from events.facts import Fact

State = TypeVar("State")


class Proposal(Protocol):
    """An event a read model asks the command service to record. `id` is the event's id."""

    @property
    def id(self) -> str:
        """The id under which the event is recorded once, however often it is proposed."""
        ...

    @property
    def type(self) -> str:
        """The event's type."""
        ...

    @property
    def occurred_at(self) -> datetime:
        """When it became true."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's data, without anything personal."""
        ...


@dataclass(frozen=True, slots=True)
class StateModel(Generic[State]):
    """One row per customer.

    `step` is pure, ignores unknown facts by returning the very state it was given, and never
    refuses. `pack` and `unpack` round-trip exactly; equal states pack to equal bytes. `columns`
    are typed figures stored beside the packed state, named as in the folder's `table.sql`.
    `order_matters`: a fact that occurred before one already folded makes the worker refold the
    customer from the ledger in order of (occurred_at, position).
    `timers` tells when silence alone will next matter for this customer: kind -> due time.
    `proposals` gives every event that should now be recorded of this customer; asking again after
    it is recorded gives it no more.
    """

    name: str
    version: int
    order_matters: bool
    start: Callable[[], State]
    step: Callable[[State, Fact], State]
    pack: Callable[[State], bytes]
    unpack: Callable[[bytes], State]
    columns: Mapping[str, Callable[[State], Any]] = field(default_factory=dict[str, Any])
    timers: Callable[[State], Mapping[str, datetime]] | None = None
    proposals: Callable[[UUID, State, datetime], Sequence[Proposal]] | None = None


@dataclass(frozen=True, slots=True)
class RowsModel:
    """One row per event, or none (`row` returns None): column name -> value.

    `stream`, `position`, `occurred_at` and `recorded_at` are added by the worker.
    """

    name: str
    version: int
    row: Callable[[Fact], Mapping[str, Any] | None]


ReadModel = StateModel[Any] | RowsModel
