"""Who recommended the shop to whom: a forest, so nobody has two referrers and no chain closes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rapport.samples.online_retail import money
from rapport.simulation.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rapport.simulation.histories import History
    from rapport.simulation.story import Story

REFERRED: Final = 0.06
BY_ONE_REFERRED: Final = 0.5
IN_VAIN: Final = 0.03
EARLIEST: Final = timedelta(days=14)
LONGEST_DAYS: Final = 60


def referral_forest(seed: int, histories: Iterable[History]) -> dict[str, list[History]]:
    """Draw who was referred by whom: referrer's number to those who came through them.

    One customer in sixteen or so came through another who had bought at least two weeks before;
    half of those through one who had been referred too, so that there are chains.
    """
    children: dict[str, list[History]] = {}
    referred: list[History] = []
    arrived: list[History] = []
    for history in sorted(histories, key=lambda each: (each.purchases[0].at, each.customer)):
        dice = Dice(seed, history.customer, "referred")
        if dice.chance(REFERRED):
            pool = referred if referred and dice.chance(BY_ONE_REFERRED) else arrived
            referrer = dice.pick(pool) if pool else history
            if history.purchases[0].at - referrer.purchases[0].at >= EARLIEST:
                children.setdefault(referrer.customer, []).append(history)
                referred.append(history)
        arrived.append(history)
    return children


def referrals(story: Story, forest: Mapping[str, Sequence[History]]) -> None:
    """Tell the referrals of this customer: those that brought someone, and some in vain."""
    dice = story.dice("referral")
    since = story.history.purchases[0].at
    for other in forest.get(story.history.customer, ()):
        first = other.purchases[0]
        days = min(LONGEST_DAYS, (first.at - since).days - 1)
        made = (first.at - timedelta(days=dice.whole(1, days))).replace(hour=12)
        key = f"referral-{other.customer}"
        data = {"referral_id": f"{story.history.customer}-{key}", "referred": other.subject}
        story.tell(f"{key}-made", "referral.made", made, data)
        came = {**data, "order_id": first.number, "first_total": money(first.pence)}
        story.tell(f"{key}-converted", "referral.converted", first.at, came)
    if dice.chance(IN_VAIN):
        data = {
            "referral_id": f"{story.history.customer}-referral-friend",
            "referred": f"email:friend-of-{story.history.customer}@example.org",
        }
        made = dice.days_after(dice.pick(story.history.purchases).at, 2, 30)
        story.tell("referral-friend-made", "referral.made", made, data)
