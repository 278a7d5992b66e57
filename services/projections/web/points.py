"""One customer as the portfolio shows them, read from an answer. Pure.

What is unknown stays None all the way to the page: an unknown share is not a share of zero, and
a customer without a score is not at the bottom of the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.projections.web.words import (
    as_mapping,
    decimal_or_none,
    instant_or_none,
    money,
    percent,
    span,
    whole_money,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LOW_HEALTH = Decimal(40)
"""Below this a customer counts as in poor health on the page (points of 100)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A customer in the portfolio. Health 0..100 points, shares 0..1, `spend` as answered."""

    customer: str
    health: Decimal | None
    status: str
    coverage: Decimal | None
    share: Decimal | None
    low: Decimal | None
    high: Decimal | None
    basis: str
    category: str
    spend: Mapping[str, Any]
    amount: Decimal
    purchases: int | None
    last_purchase: datetime | None
    last_contact: datetime | None
    signals: tuple[str, ...]
    simulated: bool
    neglected: str | None

    @property
    def in_poor_health(self) -> bool:
        """Is the score known, and below the page's line?"""
        return self.health is not None and self.health < LOW_HEALTH


def read_point(item: Mapping[str, Any]) -> Point:
    """One item of the portfolio answer (ports.Answers.portfolio)."""
    health = as_mapping(item.get("health"))
    share = as_mapping(item.get("wallet_share"))
    spend = as_mapping(item.get("spend"))
    return Point(
        customer=str(item["customer"]),
        health=decimal_or_none(health.get("value")),
        status=str(health.get("status", "insufficient_data")),
        coverage=decimal_or_none(health.get("coverage")),
        share=decimal_or_none(share.get("value")),
        low=decimal_or_none(share.get("low")),
        high=decimal_or_none(share.get("high")),
        basis=str(share.get("basis", "unknown")),
        category=str(share.get("category") or ""),
        spend=spend,
        amount=decimal_or_none(spend.get("amount")) or Decimal(0),
        purchases=item.get("purchases"),
        last_purchase=instant_or_none(item.get("last_purchase")),
        last_contact=instant_or_none(item.get("last_contact")),
        signals=tuple(str(kind) for kind in item.get("signals") or ()),
        simulated=bool(item.get("simulated")),
        neglected=item.get("neglected"),
    )


def read_points(answer: Mapping[str, Any]) -> list[Point]:
    """Every customer of a portfolio answer."""
    return [read_point(item) for item in answer.get("items", ())]


def standing(point: Point, as_of: datetime | None) -> str:
    """A customer's place in one sentence: what a chart point says to who cannot see it."""
    health = "not known yet" if point.health is None else f"{point.health:.1f} of 100"
    if point.share is None:
        share = "wallet share unknown"
    else:
        share = f"wallet share {percent(point.share)}, {point.basis}"
        if point.low is not None and point.high is not None:
            share += f", between {percent(point.low)} and {percent(point.high)}"
    parts = [f"health {health}", share]
    if point.spend:
        parts.append(f"{money(point.spend)} spent")
    if point.last_purchase is not None and as_of is not None:
        parts.append(f"last purchase {span((as_of - point.last_purchase).days)} before")
    return "; ".join(parts)


def notable(points: Sequence[Point], limit: int) -> list[Point]:
    """Whom to look at first: neglected, then open signals, then poor health; most spend first."""

    def concern(point: Point) -> tuple[int, Decimal, str]:
        if point.neglected:
            rank = 0
        elif point.signals:
            rank = 1
        else:
            rank = 2
        return (rank, -point.amount, point.customer)

    worth_a_look = sorted(
        (point for point in points if point.neglected or point.signals or point.in_poor_health),
        key=concern,
    )
    # Not one kind alone: room is kept for open signals beside the neglected.
    neglected = [point for point in worth_a_look if point.neglected]
    others = [point for point in worth_a_look if not point.neglected]
    first = neglected[: max(limit - len(others), limit - limit // 3)]
    return [*first, *others[: limit - len(first)]]


def reason(point: Point) -> str:
    """Why this customer is in the list of the most notable, in words."""
    if point.neglected:
        return point.neglected
    if point.signals:
        kinds = ", ".join(kind.replace("_", " ") for kind in point.signals)
        return f"open signal: {kinds}"
    return f"health is low, {whole_money(point.spend)} spent"
