"""What emitters sent and what they were answered, kept outside the platform: the witness.

It lives in the test's process, which no fault touches. It judges single answers (the same event
must get the same receipt for ever); what the ledger holds is judged by the invariants.
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key = tuple[str, str]
"""Source and id of an event."""
MOST_ODD = 50
"""So many odd answers are kept in words; more would say nothing new."""


class Fate(Enum):
    """What must become of an event that is sent."""

    STORED = "stored"
    REPEATED = "duplicate"
    FORGED = "conflict"
    EARLY = "quarantined"


class Role(Enum):
    """What an event is for, beside being stored."""

    ORDINARY = "nothing more"
    ALARMING = "it must raise one alert"
    LEAVING = "its customer is then to be erased"


@dataclass(frozen=True, slots=True)
class Told:
    """One event as an emitter sends it, with what must become of it."""

    event: Mapping[str, Any]
    fate: Fate = Fate.STORED
    role: Role = Role.ORDINARY

    @property
    def key(self) -> Key:
        return self.event["source"], self.event["id"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an emitter holds in its hands: whose the event is, where it stands, its 32-byte leaf."""

    customer: str
    position: int
    leaf: bytes


@dataclass
class Record:
    """Everything sent and answered. Safe for many threads."""

    sent: dict[Key, Mapping[str, Any]] = field(default_factory=dict[Key, "Mapping[str, Any]"])
    """By key: the event as sent, whether it was ever answered or not."""
    receipts: dict[Key, Receipt] = field(default_factory=dict[Key, Receipt])
    orders: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))
    """Each emitter's events in the order in which they were acknowledged."""
    early: set[Key] = field(default_factory=set[Key])
    """Answered `quarantined`."""
    complaints: set[Key] = field(default_factory=set[Key])
    """Each of these must raise one alert."""
    farewells: set[Key] = field(default_factory=set[Key])
    """The customers of these are to be erased once they are acknowledged."""
    erasures: set[str] = field(default_factory=set[str])
    """Customers whose erasure was asked for and answered."""
    odd: list[str] = field(default_factory=list[str])
    """What was answered and should not have been, in words."""
    counted: Counter[str] = field(default_factory=Counter[str])
    _changed: Condition = field(default_factory=Condition)

    def sending(self, told: Sequence[Told]) -> None:
        """Note events before their first byte leaves."""
        with self._changed:
            for each in told:
                if each.fate in {Fate.STORED, Fate.EARLY}:
                    self.sent[each.key] = each.event
                if each.role is Role.ALARMING:
                    self.complaints.add(each.key)
                elif each.role is Role.LEAVING:
                    self.farewells.add(each.key)

    def answered(self, emitter: str, told: Told, result: Mapping[str, Any]) -> None:
        """Note what became of an event; `result` is its item of the answer."""
        status = result.get("status")
        with self._changed:
            self.counted[str(status)] += 1
            if status in {"stored", "duplicate"} and told.fate in {Fate.STORED, Fate.REPEATED}:
                self._acknowledged(emitter, told, result)
            elif status == Fate.EARLY.value == told.fate.value:
                self.early.add(told.key)
            elif status != told.fate.value:
                self._note(f"{told.key} was answered {status}, not {told.fate.value}")
            self._changed.notify_all()

    def to_erase(self) -> set[str]:
        """The customers who have said farewell and wait to be erased."""
        with self._changed:
            gone = self.farewells & self.receipts.keys()
            return {self.receipts[key].customer for key in gone} - self.erasures

    def erasure_asked(self, customer: str) -> None:
        """Note that the erasure of a customer was asked for and answered."""
        with self._changed:
            self.erasures.add(customer)

    def strange(self, words: str) -> None:
        """Note an answer that no emitter should ever get."""
        with self._changed:
            self._note(words)

    def acknowledged(self) -> int:
        """How many events are acknowledged by now."""
        with self._changed:
            return len(self.receipts)

    def wait_for(self, acknowledged: int, seconds: float) -> bool:
        """Wait until so many events are acknowledged; whether they were in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.receipts) >= acknowledged, seconds)

    def _acknowledged(self, emitter: str, told: Told, result: Mapping[str, Any]) -> None:
        leaf = b64decode(result["leaf"], validate=True)
        receipt = Receipt(result["customer"], result["position"], leaf)
        known = self.receipts.setdefault(told.key, receipt)
        if known is receipt:
            self.orders[emitter].append(told.key)
        elif known != receipt:
            self._note(f"{told.key} has two receipts: {known} and {receipt}")
        if told.fate is Fate.REPEATED and result["status"] != "duplicate":
            self._note(f"{told.key} was acknowledged before and is {result['status']} again")

    def _note(self, words: str) -> None:
        if len(self.odd) < MOST_ODD:
            self.odd.append(words)
