"""What the simulator knows of each customer: the real purchases and returns, nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rapport.samples import online_retail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from rapport.samples.online_retail import Invoice


@dataclass(frozen=True, slots=True)
class Deal:
    """One real invoice: `pence` is what it came to, in whole pence, never negative."""

    number: str
    at: datetime
    pence: int


@dataclass(slots=True)
class History:
    """One customer's real invoices by time. `abroad`: outside the United Kingdom."""

    customer: str
    abroad: bool
    purchases: list[Deal] = field(default_factory=list[Deal])
    returns: list[Deal] = field(default_factory=list[Deal])

    @property
    def subject(self) -> str:
        """The identifier the real invoices carry too."""
        return online_retail.subject_of(self.customer)

    def spent(self, first: date, last: date) -> int:
        """Pence bought for from `first` to `last`, both included, returns not taken off."""
        return sum(deal.pence for deal in self.purchases if first <= deal.at.date() <= last)


def histories(invoices: Iterable[Invoice]) -> dict[str, History]:
    """Gather invoices, which come by time, into one history a customer."""
    known: dict[str, History] = {}
    for invoice in invoices:
        history = known.get(invoice.customer)
        if history is None:
            abroad = invoice.country != "United Kingdom"
            history = known[invoice.customer] = History(invoice.customer, abroad)
        deal = Deal(invoice.number, invoice.at, invoice.pence)
        (history.returns if invoice.is_return else history.purchases).append(deal)
    return known
