"""Who is neglected? High spend, little or unknown share, and both sides silent. Pure.

The figures come from the portfolio answer alone and the rule is printed on the page, so anyone can
disagree with it. Silence of ours is only counted from contacts that were recorded; where none ever
was, the words say so instead of claiming that nobody called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from services.projections.web.words import percent, span, whole_money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.projections.web.points import Point

QUIET_DAYS = 90
SHARE_BELOW = Decimal("0.5")
TOP_PART = 10
RULE = (
    f"Neglected: among the top tenth by spend, no purchase and no recorded contact from us for "
    f"{QUIET_DAYS} days, and a wallet share that is unknown or below {percent(SHARE_BELOW)}."
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the rule needs to know about the whole portfolio."""

    as_of: datetime
    spend_at_least: Decimal


def bounds(points: Sequence[Point], as_of: datetime) -> Bounds | None:
    """The spend that a customer in the top tenth reaches; None when nobody spent anything."""
    amounts = sorted((point.amount for point in points if point.amount > 0), reverse=True)
    if not amounts:
        return None
    return Bounds(as_of, amounts[(len(amounts) - 1) // TOP_PART])


def neglect(point: Point, limits: Bounds) -> str | None:
    """Why this customer counts as neglected, in words, or None."""
    quiet_since = limits.as_of - timedelta(days=QUIET_DAYS)
    if point.amount < limits.spend_at_least or point.last_purchase is None:
        return None
    if point.last_purchase > quiet_since:
        return None
    if point.last_contact is not None and point.last_contact > quiet_since:
        return None
    if point.share is not None and point.share >= SHARE_BELOW:
        return None
    silence = span((limits.as_of - point.last_purchase).days)
    return f"{whole_money(point.spend)} spent, silent for {silence}"


def with_neglect(points: Sequence[Point], as_of: datetime) -> list[Point]:
    """The same customers, each with the reason if neglected. An answered reason is kept."""
    limits = bounds(points, as_of)
    if limits is None:
        return list(points)
    return [
        replace(point, neglected=why)
        if not point.neglected and (why := neglect(point, limits)) is not None
        else point
        for point in points
    ]
