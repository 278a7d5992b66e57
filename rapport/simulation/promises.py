"""Promises the shop makes: kept, broken, or never heard of again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rapport.simulation.words import BROKEN_BECAUSE, PROMISES

if TYPE_CHECKING:
    from datetime import datetime

    from rapport.simulation.dice import Dice
    from rapport.simulation.story import Story

NEVER_SETTLED: Final = 0.08
REGULAR_PURCHASES: Final = 10
REGULAR: Final = 0.35
OTHERS: Final = 0.08


def promises(story: Story) -> None:
    """Tell the promises of good times: up to three to regulars, now and then one to others."""
    dice = story.dice("promise")
    purchases = story.history.purchases
    regular = len(purchases) >= REGULAR_PURCHASES
    for number in range(1, 4 if regular else 2):
        if dice.chance(REGULAR if regular else OTHERS):
            made = dice.days_after(dice.pick(purchases).at, 1, 3)
            promise(story, dice, f"promise-{number}", made, dice.pick(PROMISES))


def promise(story: Story, dice: Dice, key: str, made: datetime, what: str) -> None:
    """Tell one promise and what became of it."""
    due = dice.days_after(made, 5, 30).replace(hour=17, minute=0)
    promise_id = f"{story.history.customer}-{key}"
    data = {"promise_id": promise_id, "what": what, "due_at": due.isoformat()}
    story.tell(f"{key}-made", "promise.made", made, data)
    if dice.chance(NEVER_SETTLED):
        return
    if dice.chance(story.character_at(made).promise_broken):
        data = {"promise_id": promise_id, "reason": dice.pick(BROKEN_BECAUSE)}
        story.tell(f"{key}-broken", "promise.broken", dice.days_after(due, 1, 6), data)
    else:
        kept = made + (due - made) * dice.real(0.3, 1.0)
        at = kept.replace(second=0, microsecond=0)
        story.tell(f"{key}-kept", "promise.kept", at, {"promise_id": promise_id})
