"""What happens around a purchase: delivery, review, survey, contact. And the odd question."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rapport.samples.online_retail import money
from rapport.simulation.story import Experience
from rapport.simulation.words import CHANNELS, REVIEW_TEXTS, TOPICS

if TYPE_CHECKING:
    from datetime import datetime

    from rapport.simulation.dice import Dice
    from rapport.simulation.story import Character, Story

RECORDED: Final = 0.9
"""Part of the deliveries that the carrier reports."""
STARS: Final = ((-7, 4.3), (-1, 4.1), (0, 3.8), (3, 3.2), (7, 2.1))
"""Mean stars by days late at most, as Olist's buyers gave; later than all: 1.7."""
WORST_STARS: Final = 1.7
LONG_DELAY_DAYS: Final = 4
PENCE_A_SECOND: Final = 1
OPEN_COMPLAINT: Final = "open_complaint"
PROMOTER: Final = 2.2
"""Points of a 0..10 survey for each star."""


def experiences(story: Story) -> list[Experience]:
    """Tell the deliveries of every purchase, and return how each went."""
    dice = story.dice("delivery")
    seen: list[Experience] = []
    for purchase in story.history.purchases:
        character = story.character_at(purchase.at)
        promised = dice.days_after(
            purchase.at, *((7, 10) if story.history.abroad else (3, 5))
        ).replace(hour=18, minute=0)
        late = _days_late(dice, character)
        delivered = promised + timedelta(days=late, minutes=-dice.whole(0, 8 * 60))
        seen.append(Experience(purchase, character, delivered, late))
        if dice.chance(RECORDED):
            data = {
                "order_id": purchase.number,
                "promised_at": promised.isoformat(),
                "delivered_at": delivered.isoformat(),
            }
            story.tell(f"delivery-{purchase.number}", "delivery.completed", delivered, data)
    return seen


def _days_late(dice: Dice, character: Character) -> int:
    """Mostly on the day or up to two days early; late ones by a day to two weeks, few by many."""
    if not dice.chance(character.late):
        return -dice.whole(0, 2)
    return dice.whole(1, dice.whole(1, 14))


def reviews(story: Story, seen: list[Experience]) -> None:
    """Tell reviews: more from the delighted and after long delays; stars as Olist's buyers gave."""
    dice = story.dice("review")
    for each in seen:
        probability = each.character.reviews * (3 if each.days_late >= LONG_DELAY_DAYS else 1)
        if not dice.chance(probability):
            continue
        rating = _stars(dice, each)
        outside = dice.chance(0.3)
        data = {
            "review_id": f"review-{each.purchase.number}",
            "platform": "a review site" if outside else "our shop",
            "rating": rating,
            "rating_max": 5,
            "outside": outside,
            "order_id": each.purchase.number,
            "text": dice.pick(REVIEW_TEXTS[rating]),
        }
        at = dice.days_after(each.delivered_at, 1, 9)
        story.tell(f"review-{each.purchase.number}", "review.published", at, data)


def _stars(dice: Dice, each: Experience) -> int:
    mean = next((stars for days, stars in STARS if each.days_late <= days), WORST_STARS)
    return min(5, max(1, round(dice.around(mean + each.character.mood, 2.0))))


def surveys(story: Story, seen: list[Experience]) -> None:
    """Tell answered surveys: would recommend (0 to 10), after one purchase in sixteen."""
    dice = story.dice("survey")
    for each in seen:
        if not dice.chance(1 / 16):
            continue
        score = min(10, max(0, round(_stars(dice, each) * PROMOTER + dice.real(-1.5, 1.0))))
        data = {
            "survey_id": f"nps-{each.purchase.number}",
            "kind": "nps",
            "score": score,
            "scale_max": 10,
        }
        at = dice.days_after(each.delivered_at, 2, 12)
        story.tell(f"survey-{each.purchase.number}", "survey.answered", at, data)


def contacts(story: Story, seen: list[Experience]) -> None:
    """Tell ordinary contacts, about one purchase in nine; a few begun by the shop."""
    dice = story.dice("contact")
    for each in seen:
        if dice.chance(1 / 9):
            at = dice.days_after(each.purchase.at, 1, 3)
            contact(story, dice, f"contact-{each.purchase.number}", at, dice.pick(TOPICS))


def contact(story: Story, dice: Dice, key: str, at: datetime, topic: str) -> None:
    """Tell one handled contact; one about an open complaint is inbound and settles nothing."""
    seconds = dice.whole(90, 900)
    first_time = topic != OPEN_COMPLAINT and dice.chance(0.8)
    by_shop = topic != OPEN_COMPLAINT and dice.chance(0.15)
    data = {
        "interaction_id": f"{story.history.customer}-{key}",
        "channel": dice.weighted(CHANNELS),
        "direction": "outbound" if by_shop else "inbound",
        "handle_seconds": seconds,
        "cost": money(seconds * PENCE_A_SECOND),
        "resolved_first_time": first_time,
        "topic": topic,
    }
    if dice.chance(0.3):
        data["satisfaction"] = dice.whole(3, 5) if first_time else dice.whole(1, 3)
    story.tell(key, "contact.handled", at, data)
