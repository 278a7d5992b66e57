"""What one emitter has to tell, drawn with its own dice: the same seed tells the same.

Emitters share customers, so their events meet in the same streams. Some happened long ago and
arrive late, some are told twice, some reuse an id for another event, some come from the future.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.faults.record import Fate, Role, Told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

ALARMING_SHARE = 0.05
LEAVING_SHARE = 0.04
REPEATED_SHARE = 0.08
FORGED_SHARE = 0.04
EARLY_SHARE = 0.01
BATCH_SHARE = 0.3
MOST_IN_A_BATCH = 30
PEOPLE = 60


class Teller:
    """The tale of one emitter. `canary` stands in every personal value."""

    def __init__(self, source: str, dice: Random, canary: str, now: datetime) -> None:
        self.source = source
        self.dice = dice
        self._canary = canary
        self._now = now
        self._numbers = count(1)
        self._told: list[Told] = []

    def next(self) -> list[Told]:
        """What the next request holds: one event, or a batch of them."""
        roll = self.dice.random()
        if roll < ALARMING_SHARE:
            return [self._alarming()]
        if roll > 1 - LEAVING_SHARE:
            return [self._leaving()]
        if self.dice.random() < BATCH_SHARE:
            return [self._one() for _ in range(self.dice.randrange(2, MOST_IN_A_BATCH))]
        return [self._one()]

    def know(self, told: Told) -> None:
        """An acknowledged event; it may be told again."""
        self._told.append(told)

    def _one(self) -> Told:
        roll = self.dice.random()
        if self._told and roll < REPEATED_SHARE:
            return Told(self.dice.choice(self._told).event, Fate.REPEATED)
        if self._told and roll < REPEATED_SHARE + FORGED_SHARE:
            event = self.dice.choice(self._told).event
            forged = {**event, "time": self._time(self.dice.uniform(400, 500))}
            return Told(forged, Fate.FORGED)
        if roll > 1 - EARLY_SHARE:
            return Told({**self._event(), "time": self._time(-1)}, Fate.EARLY)
        return Told(self._event())

    def _alarming(self) -> Told:
        """A grave complaint, four days open, of a customer who tells nothing else."""
        event = self._event()
        number = event["id"]
        data = {"complaint_id": f"c-{number}", "about": "delivery", "severity": "high"}
        data["text"] = f"{self._canary}: it never came"
        who = f"crm:alarming-{self.source}-{number}"
        kind, time = "complaint.opened", self._time(4)
        return Told(
            {**event, "type": kind, "subject": who, "time": time, "data": data}, role=Role.ALARMING
        )

    def _leaving(self) -> Told:
        """The only event of a customer who will be erased."""
        event = self._event()
        number = event["id"]
        data = {"complaint_id": f"c-{number}", "about": "other", "severity": "low"}
        data["text"] = f"{self._canary} wants to be forgotten"
        who = f"email:{self._canary}-leaving-{self.source}-{number}@example.org"
        return Told(
            {**event, "type": "complaint.opened", "subject": who, "data": data}, role=Role.LEAVING
        )

    def _event(self) -> dict[str, Any]:
        number = next(self._numbers)
        person = self.dice.randrange(min(PEOPLE, 4 + number // 4))
        kind, data = self._happening(number)
        if self.dice.random() < 1 / 5:
            data["identifiers"] = [f"email:{self._canary}-{person}@example.org"]
        return {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": self.source,
            "type": kind,
            "time": self._time(self.dice.uniform(0, 300)),
            "subject": self.dice.choice([f"crm:{person}", f"email:{self._canary}-{person}@x.org"]),
            "data": data,
        }

    def _happening(self, number: int) -> tuple[str, dict[str, Any]]:
        price = {"amount": f"{self.dice.randrange(100, 9999) / 100:.2f}", "currency": "GBP"}
        item = {"sku": "mug", "category": "gifts", "quantity": 1, "unit_price": price}
        name = f"{self.source}-{number}"
        bought = {"order_id": name, "total": price, "items": [item]}
        complained = {"complaint_id": name, "about": "billing", "severity": "low"}
        due = self._time(-30)
        happenings: list[tuple[str, Mapping[str, Any]]] = [
            ("purchase.completed", bought),
            ("purchase.completed", bought),
            ("contact.handled", {"interaction_id": name, "channel": "web", "direction": "inbound"}),
            ("campaign.sent", {"campaign_id": "spring", "channel": "email", "arm": "treated"}),
            ("complaint.opened", {**complained, "text": f"{self._canary} was charged twice"}),
            ("promise.made", {"promise_id": name, "what": "call-back", "due_at": due}),
        ]
        kind, data = self.dice.choice(happenings)
        return kind, dict(data)

    def _time(self, days_ago: float) -> str:
        return (self._now - timedelta(days=days_ago)).isoformat(timespec="milliseconds")
