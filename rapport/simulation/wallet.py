"""What is known of the money that customers spend elsewhere: statements, sightings, rankings."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rapport.samples.online_retail import CATEGORY, money
from rapport.simulation.words import EVIDENCE, MERCHANTS

if TYPE_CHECKING:
    from rapport.simulation.dice import Dice
    from rapport.simulation.story import Story

STATED: Final = 0.4
UNDERSTATED: Final = 0.04
SEEN_ELSEWHERE: Final = 0.15
RANKED: Final = 0.12
SHARE_SPREAD: Final = 0.25
LEAST_SHARE: Final = 0.05
GREATEST_SHARE: Final = 0.98
ROUND_TO_PENCE: Final = 500
SPAN_DAYS: Final = 90


def wallet(story: Story) -> None:
    """Tell the wallet as four customers in ten state it, for a period in which they bought here.

    The total is what they spent here over their share, so never less; but one statement in
    twenty-five is too small, as people forget.
    """
    dice = story.dice("wallet")
    if not dice.chance(STATED):
        return
    at = dice.days_after(dice.pick(story.history.purchases).at, 2, 40)
    period, first, last = _period(dice, at)
    own = story.history.spent(first, last)
    if own == 0:
        period, first, last = _span(at)
        own = story.history.spent(first, last)
    if own == 0:
        return
    share = 1.3 if dice.chance(UNDERSTATED) else _share(dice, story)
    steps = -int(-own / share // ROUND_TO_PENCE)
    data = {"category": CATEGORY, "period": period, "total": money(steps * ROUND_TO_PENCE)}
    story.tell("wallet", "wallet.stated", at, data)


def _share(dice: Dice, story: Story) -> float:
    share = dice.around(story.character.share, SHARE_SPREAD)
    return min(GREATEST_SHARE, max(LEAST_SHARE, share))


def _period(dice: Dice, at: datetime) -> tuple[str, date, date]:
    """A period that lies before `at`, as the schema writes it, with its first and last day."""
    today = at.date()
    quarter = (today.month - 1) // 3
    match dice.weighted([("quarter", 5.0), ("year", 2.0), ("days", 3.0)]):
        case "quarter" if quarter > 0:
            first = date(today.year, 3 * quarter - 2, 1)
            last = date(today.year, 3 * quarter + 1, 1) - timedelta(days=1)
            return f"{today.year}-Q{quarter}", first, last
        case "year" if today.year > 2010:  # noqa: PLR2004 # the data's first whole year
            year = today.year - 1
            return str(year), date(year, 1, 1), date(year, 12, 31)
        case _:
            return _span(at)


def _span(at: datetime) -> tuple[str, date, date]:
    """The days up to `at`; one more than it says, so the total holds however it is counted."""
    today = at.date()
    return f"P{SPAN_DAYS}D", today - timedelta(days=SPAN_DAYS + 1), today


def outside_purchases(story: Story) -> None:
    """Tell what some customers were seen to buy elsewhere: more of it where our share is small."""
    dice = story.dice("outside")
    if not dice.chance(SEEN_ELSEWHERE):
        return
    purchases = story.history.purchases
    usual = sorted(deal.pence for deal in purchases)[len(purchases) // 2]
    for number in range(1, 1 + max(1, round(5 * (1 - _share(dice, story))))):
        data: dict[str, object] = {
            "category": CATEGORY,
            "merchant": dice.pick(MERCHANTS),
            "evidence": dice.weighted(EVIDENCE),
        }
        if usual > 0 and dice.chance(0.7):
            data["total"] = money(max(100, int(usual * dice.real(0.3, 1.5))))
        at = dice.days_after(dice.pick(purchases).at, 3, 60)
        story.tell(f"outside-{number}", "outside_purchase.observed", at, data)


def rankings(story: Story) -> None:
    """Tell how some customers rank us among two to six shops; high where our share is large."""
    dice = story.dice("ranking")
    if not dice.chance(RANKED):
        return
    brands = dice.whole(2, 6)
    rank = 1 + min(brands - 1, int((1 - _share(dice, story)) * brands))
    data: dict[str, object] = {"category": CATEGORY, "rank": rank, "brands": brands}
    if dice.chance(0.15):
        data["tied"] = True
    at = dice.days_after(dice.pick(story.history.purchases).at, 5, 60)
    story.tell("ranking", "brands.ranked", at, data)
