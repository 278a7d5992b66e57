"""How a list of customers is asked for, sorted and cut into pages. Pure.

Sorted by one figure, unknown ones last, then by id: a stable order, so a page begins where the one
before ended even if customers came in between.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from services.projections.asking import USUAL_ITEMS, Cursor, read_cursor
from services.projections.errors import BadQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from services.projections.read_models.customer_directory.fold import Entry

CUSTOMERS = "customers"
USUAL_SORT = "-last_seen"


class Person(NamedTuple):
    """A customer in a list: the directory's entry, and the scored item (empty if not needed)."""

    entry: Entry
    item: Mapping[str, Any]


ENTRY_SORTS: Mapping[str, Callable[[Person], float | None]] = {
    "events": lambda one: one.entry.events,
    "first_seen": lambda one: _seconds(one.entry.first_seen),
    "last_contact": lambda one: _seconds(one.entry.last_contact),
    "last_purchase": lambda one: _seconds(one.entry.last_purchase),
    "last_seen": lambda one: _seconds(one.entry.last_seen),
    "purchases": lambda one: one.entry.purchases,
    "spend": lambda one: None if one.entry.main_spend is None else float(one.entry.main_spend[1]),
}
"""Figures of the directory a list can be sorted by."""
SCORE_SORTS: Mapping[str, Callable[[Person], float | None]] = {
    "health": lambda one: one.item["health"]["value"],
    "wallet_share": lambda one: one.item["wallet_share"]["value"],
}
"""Scores a list can be sorted by."""
SCORED_AT_ONCE = 500
"""A longer page is cut from everybody's scores, which are then kept."""

SortKey = tuple[bool, float, str]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which customers are wanted; None does not matter. Unknown figures meet no bound."""

    health_below: float | None = None
    health_above: float | None = None
    share_below: float | None = None
    share_above: float | None = None
    signal: str | None = None
    status: str | None = None
    simulated: bool | None = None

    @property
    def need_scores(self) -> bool:
        """Must every customer be scored to answer?"""
        return any(
            bound is not None
            for bound in (
                self.health_below,
                self.health_above,
                self.share_below,
                self.share_above,
                self.signal,
                self.status,
            )
        )

    def admit(self, item: Mapping[str, Any]) -> bool:
        """Does a scored customer meet them all?"""
        return (
            _within(item["health"]["value"], self.health_below, self.health_above)
            and _within(item["wallet_share"]["value"], self.share_below, self.share_above)
            and (self.signal is None or self.signal in item["signals"])
            and (self.status is None or self.status == item["health"]["status"])
        )


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """A page of customers. `limit` None: all of them; `sort` a figure, `-` before it: downwards."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    policy: str | None = None
    filters: Filters = Filters()
    sort: str = USUAL_SORT
    cursor: str | None = None
    limit: int | None = USUAL_ITEMS

    @property
    def figure(self) -> Callable[[Person], float | None]:
        """What the list is sorted by.

        Raises:
            BadQuestion: nothing a list can be sorted by.
        """
        sorts = {**ENTRY_SORTS, **SCORE_SORTS}
        name = self.sort.removeprefix("-")
        if name not in sorts:
            known = ", ".join(sorted(sorts))
            raise BadQuestion("sort", "A list cannot be sorted by that.", f"Use one of {known}.")
        return sorts[name]

    @property
    def need_scores(self) -> bool:
        """Must every customer be scored to answer?"""
        by_score = self.sort.removeprefix("-") in SCORE_SORTS
        long = self.limit is None or self.limit > SCORED_AT_ONCE
        return by_score or long or self.filters.need_scores

    def admits(self, one: Person) -> bool:
        """Is this customer wanted? Bounds on scores hold only where there are scores."""
        simulated = self.filters.simulated
        if simulated is not None and (one.entry.simulated > 0) != simulated:
            return False
        return not one.item or self.filters.admit(one.item)

    def after(self) -> Cursor | None:
        """The cursor, if one was given.

        Raises:
            BadQuestion: it is none of ours, or of another order.
        """
        if self.cursor is None:
            return None
        return read_cursor(self.cursor, f"{CUSTOMERS} {self.sort}", (bool, float, str))

    def key(self, figure: float | None, customer: str) -> SortKey:
        """The sort key of a customer with that figure."""
        signed = 0.0 if figure is None else -figure if self.sort.startswith("-") else figure
        return (figure is None, float(signed), customer)


def page(
    keys: Sequence[SortKey], question: ListQuestion, as_of: datetime
) -> tuple[Sequence[SortKey], str | None]:
    """The sorted `keys` of one page, and the cursor of the next page or None.

    Raises:
        BadQuestion: the cursor is none of ours, or of another order.
    """
    ordered = sorted(keys)
    after = question.after()
    begin = 0 if after is None else bisect_right(ordered, after.key)
    if question.limit is None or begin + question.limit >= len(ordered):
        return ordered[begin:], None
    chosen = ordered[begin : begin + question.limit]
    return chosen, str(Cursor(f"{CUSTOMERS} {question.sort}", as_of, chosen[-1]))


def _within(value: float | None, below: float | None, above: float | None) -> bool:
    if below is None and above is None:
        return True
    if value is None:
        return False
    return (below is None or value < below) and (above is None or value > above)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
