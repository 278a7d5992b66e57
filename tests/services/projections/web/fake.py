# ruff: noqa: ARG002 - a fake has its door's parameters, used or not
"""A query side that speaks the contract's shapes from made-up figures: no database, no ledger.

Customer n's figures depend on n alone, so a test can say what it expects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import numpy as np

from services.projections.errors import BadQuestion, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_OF = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
RECORDED = 52_310
NAMESPACE = UUID("5a5e8f0e-8d0c-4b8e-9f0e-0e7a6c1f2b11")
KINDS = ("silence", "complaint_unresolved", "promise_broken")


def customer_id(number: int) -> UUID:
    """The UUID of the n-th made-up customer."""
    return uuid5(NAMESPACE, str(number))


def ago(days: float) -> str:
    """So many days before AS_OF, as an answer writes it."""
    return (AS_OF - timedelta(days=days)).isoformat().replace("+00:00", "Z")


@dataclass
class FakeAnswers:
    """`customers` people, of whom `shares` have a known wallet share and simulated facts."""

    customers: int = 5_900
    shares: int = 260
    position: int = RECORDED
    recorded: int = RECORDED
    people: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        spends = rng.lognormal(6.4, 1.3, self.customers)
        quiet = rng.exponential(120, self.customers)
        healths = np.clip(72 - quiet * 0.16 + rng.normal(0, 9, self.customers), 2, 99)
        known = np.clip(rng.beta(2.2, 2.6, self.customers), 0.01, 0.99)
        self.people = [
            self._person(n, float(spends[n]), float(quiet[n]), float(healths[n]), float(known[n]))
            for n in range(self.customers)
        ]

    def _person(
        self, n: int, spend: float, quiet: float, health: float, share: float
    ) -> dict[str, Any]:
        simulated = n < self.shares
        few = n % 23 == 22
        width = 0.05 + (n % 7) * 0.03
        known = {
            "category": "gifts",
            "basis": "measured" if n % 3 else "observed",
            "value": f"{share:.4f}",
            "low": f"{max(0.0, share - width):.4f}",
            "high": f"{min(1.0, share + width):.4f}",
        }
        unknown = {"category": "gifts", "basis": "unknown", "value": None, "low": None}
        return {
            "customer": str(customer_id(n)),
            "health": {
                "value": None if few else f"{health:.3f}",
                "status": "insufficient_data" if few else "ok",
                "coverage": "0.100" if few else "0.700",
            },
            "wallet_share": known if simulated else {**unknown, "high": None},
            "spend": {"amount": f"{spend:.2f}", "currency": "GBP"},
            "purchases": 1 + n % 9,
            "last_purchase": ago(quiet),
            "last_contact": ago(20 + n % 300) if simulated else None,
            "signals": [KINDS[n % 3]] if simulated and n % 17 == 0 else [],
            "simulated": simulated,
        }

    def progress(self) -> Mapping[str, Any]:
        return {"position": self.position, "recorded": self.recorded}

    def suggested_as_of(self) -> datetime | None:
        return AS_OF if self.customers else None

    def find(self, ref: str) -> UUID | None:
        known = {"email:ada@example.org": 0, "crm:online-retail-12346": 1}
        known |= {str(customer_id(n)): n for n in range(min(3, self.customers))}
        return customer_id(known[ref]) if ref in known else None

    def portfolio(self, *, as_of: datetime | None) -> Mapping[str, Any]:
        return {
            "as_of": (as_of or AS_OF).isoformat(),
            "position": self.position,
            "policy_version": "default/1",
            "items": self.people,
        }

    def customer(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        n = self._number(customer)
        return {
            "customer": str(customer),
            "as_of": (as_of or AS_OF).isoformat(),
            "position": self.position,
            "events": len(TIMELINE),
            "simulated": 7 if n < self.shares else 0,
            "identifiers": ["crm:onl…346"],
        }

    def _number(self, customer: UUID) -> int:
        for n, person in enumerate(self.people):
            if person["customer"] == str(customer):
                return n
        raise Unknown("Nobody is known by that reference.")

    def timeline(
        self, customer: UUID, *, as_of: datetime | None, cursor: str | None, limit: int
    ) -> Mapping[str, Any]:
        if cursor not in {None, "older"}:
            raise BadQuestion("cursor", "The cursor is none of ours.", "Leave it out.")
        if cursor is None:
            return {"items": TIMELINE[:limit], "next": "older"}
        return {"items": TIMELINE[-2:], "next": None}

    def health(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        self._number(customer)
        total = sum((Decimal(line["points"]) for line in CONTRIBUTIONS), Decimal(0))
        return {
            "value": str(total),
            "status": "ok",
            "coverage": "0.700",
            "groups": {},
            "policy_version": "default/1",
            "as_of": (as_of or AS_OF).isoformat(),
            "position": self.position,
        }

    def health_explain(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        return {
            "value": self.health(customer, as_of=as_of)["value"],
            "contributions": CONTRIBUTIONS,
        }

    def wallet_share(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        return WALLET if self._number(customer) < self.shares else UNKNOWN_WALLET

    def signals(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        if self._number(customer) >= self.shares:
            return {"items": [], "missed": {}}
        return {"items": SIGNALS, "missed": {"silence": {"count": 2, "last": ago(400)}}}


def _line(kind: str, group: str | None, rule: str, points: str, **more: Any) -> dict[str, Any]:
    line = {"kind": kind, "group": group, "rule": rule, "points": points}
    return {"event_id": None, "type": None, "occurred_at": None, "sentence": "", **line, **more}


def _purchase(number: int, points: str) -> dict[str, Any]:
    return _line(
        "event",
        "rhythm",
        "purchase",
        points,
        event_id=f"5365{number:02}",
        type="purchase.completed",
        occurred_at=ago(9 + 31 * number),
        sentence=f"Bought {3 + number} kinds of gifts for £{120 + 17 * number}.40.",
        simulated=False,
    )


CONTRIBUTIONS: list[dict[str, Any]] = [
    _line("base", None, "base", "40.000", sentence="Everyone starts here."),
    _line(
        "state",
        "rhythm",
        "own_pace",
        "9.412",
        sentence="Last purchase 9 days ago; usually 31 days lie between two purchases.",
    ),
    *[_purchase(n, f"{2.4 * 0.86**n:.3f}") for n in range(11)],
    _line(
        "event",
        "experience",
        "complaint",
        "-5.731",
        event_id="c-88",
        type="complaint.opened",
        occurred_at=ago(40),
        sentence="Complained that a parcel arrived damaged (medium).",
        simulated=True,
    ),
    _line(
        "event",
        "experience",
        "delivery_against_promise",
        "-2.104",
        event_id="d-12",
        type="delivery.completed",
        occurred_at=ago(44),
        sentence="A delivery came 4 days after the promised day.",
        simulated=True,
    ),
    _line(
        "event",
        "advocacy",
        "referral_converted",
        "15.220",
        event_id="r-3",
        type="referral.converted",
        occurred_at=ago(21),
        sentence="Someone they recommended us to became a customer.",
        simulated=True,
    ),
    _line(
        "cap",
        "advocacy",
        "advocacy at most 12",
        "-3.220",
        sentence="This group counts for at most 12 points.",
    ),
]


def _fact(number: int, type_: str, days: float, sentence: str) -> dict[str, Any]:
    simulated = not type_.startswith("purchase")
    return {
        "position": RECORDED - 40 * number,
        "event_id": f"e-{number}",
        "type": type_,
        "source": "simulator/sample-7" if simulated else "online-retail",
        "simulated": simulated,
        "occurred_at": ago(days),
        "recorded_at": ago(-1),
        "sentence": sentence,
    }


TIMELINE = [
    _fact(0, "purchase.completed", 9, "Bought 3 kinds of gifts for £120.40."),
    _fact(1, "promise.broken", 15, "We did not call back by 24 November 2011, as promised."),
    _fact(2, "referral.converted", 21, "Someone they recommended us to became a customer."),
    _fact(3, "complaint.opened", 40, "Complained that a parcel arrived damaged (medium)."),
    _fact(4, "purchase.completed", 40.2, "Bought 4 kinds of gifts for £137.40."),
    _fact(5, "delivery.completed", 44, "A delivery came 4 days after the promised day."),
    _fact(6, "purchase.returned", 71, "Returned 1 kind of gift for £8.50."),
    _fact(7, "wallet.stated", 75, "Said that they spend £2,400 a year on gifts, everywhere."),
    _fact(8, "purchase.completed", 102, "Bought 6 kinds of gifts for £171.40."),
]

WALLET: dict[str, Any] = {
    "items": [
        {
            "category": "gifts",
            "basis": "measured",
            "value": "0.3810",
            "low": "0.2900",
            "high": "0.4710",
            "level": "0.9",
            "evidence": [
                "They said on 25 September 2011 that they spend £2,400 a year on gifts.",
                {"event_id": "e-8", "sentence": "12 purchases of ours in that year: £914.40."},
            ],
            "flags": ["prorated"],
            "next_question": "Whom else do you buy gifts from, and about how often?",
        },
        {"category": "stationery", "basis": "unknown", "value": None, "low": None, "high": None},
    ]
}
UNKNOWN_WALLET: dict[str, Any] = {
    "items": [
        {
            "category": "gifts",
            "basis": "unknown",
            "value": None,
            "low": None,
            "high": None,
            "level": None,
            "evidence": [],
            "next_question": "About how much do you spend on gifts in a year, everywhere?",
        }
    ]
}
SIGNALS: list[dict[str, Any]] = [
    {
        "signal_id": "5d0c4cf3-5f6e-5d5b-9d5b-0d0c2f3f9a10",
        "kind": "complaint_unresolved",
        "status": "open",
        "reason": "A complaint has been open for 40 days; 3 days were allowed.",
        "due_at": ago(37),
        "raised_at": ago(37),
        "alerted": True,
        "missed": False,
        "value_at_stake": {"amount": "914.40", "currency": "GBP"},
        "playbook": "own-the-complaint",
        "policy_version": "default/1",
        "contributing": ["c-88"],
    },
    {
        "signal_id": "5d0c4cf3-5f6e-5d5b-9d5b-0d0c2f3f9a11",
        "kind": "silence",
        "status": "open",
        "reason": "No purchase since 1 Sept; expected every 31 days.",
        "due_at": ago(400),
        "alerted": False,
        "missed": True,
        "contributing": [],
    },
]
