"""The shop's campaigns: four a year, a tenth held out, a few customers written to too often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from rapport.samples.online_retail import SHOP_TIME

if TYPE_CHECKING:
    from rapport.simulation.story import Story

CALENDAR: Final = (
    ("valentine-2010", datetime(2010, 1, 25, 10, tzinfo=SHOP_TIME)),
    ("spring-2010", datetime(2010, 3, 8, 10, tzinfo=SHOP_TIME)),
    ("autumn-2010", datetime(2010, 9, 13, 10, tzinfo=SHOP_TIME)),
    ("christmas-2010", datetime(2010, 11, 8, 10, tzinfo=SHOP_TIME)),
    ("valentine-2011", datetime(2011, 1, 24, 10, tzinfo=SHOP_TIME)),
    ("spring-2011", datetime(2011, 3, 7, 10, tzinfo=SHOP_TIME)),
    ("autumn-2011", datetime(2011, 9, 12, 10, tzinfo=SHOP_TIME)),
    ("christmas-2011", datetime(2011, 11, 7, 10, tzinfo=SHOP_TIME)),
)
REMINDERS_FROM: Final = datetime(2011, 10, 3, 9, tzinfo=SHOP_TIME)
REMINDERS: Final = 9
MAY_BE_WRITTEN_TO: Final = 0.85
HELD_OUT: Final = 0.1
WRITTEN_TO_TOO_OFTEN: Final = 0.04


def campaigns(story: Story) -> None:
    """Tell the campaigns since the first purchase; weekly reminders besides for a few, in 2011."""
    dice = story.dice("campaign")
    if not dice.chance(MAY_BE_WRITTEN_TO):
        return
    channel = "email" if dice.chance(0.75) else "letter"
    for name, at in CALENDAR:
        arm = "held_out" if dice.chance(HELD_OUT) else "treated"
        data = {"campaign_id": name, "channel": channel, "arm": arm}
        story.tell(f"campaign-{name}", "campaign.sent", at, data)
    if not dice.chance(WRITTEN_TO_TOO_OFTEN):
        return
    for week in range(1, REMINDERS + 1):
        name = f"reminder-2011-{week}"
        data = {"campaign_id": name, "channel": channel, "arm": "treated"}
        at = REMINDERS_FROM + timedelta(weeks=week)
        story.tell(f"campaign-{name}", "campaign.sent", at, data)
