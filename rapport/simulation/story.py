"""One customer's made-up events while they are being made up, and what kind of customer it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from events.facts import SIMULATED_SOURCE
from rapport.simulation.dice import Dice

if TYPE_CHECKING:
    from datetime import datetime

    from rapport.simulation.histories import Deal, History

QUIET_DAYS: Final = 270
MANY_PURCHASES: Final = 12
SEVERAL_PURCHASES: Final = 3


@dataclass(frozen=True, slots=True)
class Character:
    """How a kind of customer fares; all are probabilities but `mood` and `share`.

    `mood` moves ratings (in stars of five); `share` is the usual part of their wallet that is ours.
    """

    name: str
    late: float
    complains_for_no_delay: float
    complains_of_long_delay: float
    complains_of_return: float
    left_unresolved: float
    promise_broken: float
    reviews: float
    mood: float
    share: float


ORDINARY: Final = Character("ordinary", 0.08, 0.008, 0.35, 0.04, 0.07, 0.10, 0.05, 0.0, 0.45)
DELIGHTED: Final = Character("delighted", 0.03, 0.002, 0.15, 0.02, 0.02, 0.04, 0.14, 0.8, 0.7)
WRONGED: Final = Character("wronged", 0.45, 0.22, 0.80, 0.35, 0.50, 0.50, 0.15, -1.2, 0.25)


@dataclass(slots=True)
class Story:
    """What happens to one customer, who bought at least once.

    `turned_at`: the purchase from which on the character shows, the first for most.
    `end` is the moment of the last real invoice of all: nothing is told after it.
    """

    seed: int
    history: History
    end: datetime
    character: Character
    turned_at: datetime
    events: list[tuple[datetime, dict[str, Any]]] = field(
        default_factory=list["tuple[datetime, dict[str, Any]]"]
    )

    def dice(self, matter: str) -> Dice:
        """Chance for one subject matter; drawing more here changes nothing elsewhere."""
        return Dice(self.seed, self.history.customer, matter)

    def character_at(self, moment: datetime) -> Character:
        """How the customer fares at this moment; as anybody before the turn."""
        return self.character if moment >= self.turned_at else ORDINARY

    def tell(self, key: str, kind: str, at: datetime, data: dict[str, Any]) -> None:
        """Add an event of type `kind`; `key` is its name among the customer's events.

        What would happen before the customer's first purchase or after `end` is left out.
        """
        if not self.history.purchases[0].at <= at <= self.end:
            return
        event = {
            "specversion": "1.0",
            "id": f"{self.history.customer}-{key}",
            "source": source_of(self.seed),
            "type": kind,
            "time": at.isoformat(),
            "subject": self.history.subject,
            "data": data,
        }
        self.events.append((at, event))


@dataclass(frozen=True, slots=True)
class Experience:
    """How one purchase went: days after (or, negative, before) the promise it was delivered."""

    purchase: Deal
    character: Character
    delivered_at: datetime
    days_late: int


def source_of(seed: int) -> str:
    """The label every simulated event carries as its source."""
    return f"{SIMULATED_SOURCE}sample-{seed}"


def begin(seed: int, history: History, end: datetime) -> Story:
    """Draw what kind of customer this is.

    Who fell silent is likelier to have been wronged, shortly before; who buys often is likelier
    delighted. That is a made-up cause: it must never be used to show that a score predicts.
    """
    dice = Dice(seed, history.customer, "character")
    bought = len(history.purchases)
    quiet = (end - history.purchases[-1].at).days > QUIET_DAYS and bought >= SEVERAL_PURCHASES
    character = dice.weighted(
        [
            (ORDINARY, 70.0),
            (DELIGHTED, 30.0 if bought >= MANY_PURCHASES else 13.0),
            (WRONGED, 30.0 if quiet else 10.0),
        ]
    )
    turned = dice.whole(max(0, bought - 4), bought - 1) if character is WRONGED else 0
    return Story(seed, history, end, character, history.purchases[turned].at)
