"""What the purchase rhythm says, by example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.scoring import rhythm
from services.projections.scoring.examples import Case, bought, fact, moment, returned, told
from services.projections.scoring.policy_reader import load_policy

if TYPE_CHECKING:
    from services.projections.scoring.rhythm import Rhythm


def look(state: Rhythm, when: str) -> dict[str, Any]:
    """What a case sees of a state."""
    found = rhythm.statistics(state, moment(when))
    due = rhythm.due(state, load_policy().pace)
    return {
        "x": None if found is None else found.x,
        "t_x": None if found is None else found.t_x,
        "T": None if found is None else found.T,
        "mean": None
        if found is None or found.mean_repeat_spend is None
        else str(found.mean_repeat_spend.value),
        "due": None if due is None else due.date().isoformat(),
    }


NOTHING = {"x": None, "t_x": None, "T": None, "mean": None, "due": None}

CASES = (
    Case("Nobody who never bought has a rhythm.", (), "2011-01-01", NOTHING),
    Case(
        "Two purchases on one day are one; the first day is not a repeat.",
        told(
            bought("2011-01-01T09:00", "10.00"),
            bought("2011-01-01T17:00", "5.00"),
            bought("2011-01-15", "30.00"),
            bought("2011-01-29", "50.00"),
        ),
        "2011-02-05",
        {"x": 2, "t_x": 4.0, "T": 5.0, "mean": "40.00", "due": "2011-05-17"},
    ),
    Case(
        "A return nets the value and takes no day away.",
        told(
            bought("2011-01-01", "10.00"),
            bought("2011-01-15", "30.00", order="b"),
            returned("2011-01-16", "10.00", order="b"),
        ),
        "2011-01-29",
        {"x": 1, "t_x": 2.0, "T": 4.0, "mean": "20.00", "due": None},
    ),
    Case(
        "An order wholly returned never was: its day goes.",
        told(
            bought("2011-01-01", "10.00"),
            bought("2011-01-15", "30.00", order="b"),
            returned("2011-01-16", "10.00", order="b"),
            returned("2011-01-17", "20.00", order="b"),
        ),
        "2011-01-29",
        {"x": 0, "t_x": 0.0, "T": 4.0, "mean": None, "due": None},
    ),
    Case(
        "If the first order is cancelled, the second day is the first.",
        told(
            bought("2011-01-01", "10.00", order="a"),
            bought("2011-01-15", "30.00"),
            bought("2011-01-29", "50.00"),
            returned("2011-01-29T12:00", "10.00", order="a"),
        ),
        "2011-01-29T12:00",
        {"x": 1, "t_x": 2.0, "T": 2.0, "mean": "50.00", "due": None},
    ),
    Case(
        "Two currencies are never added: there is no mean.",
        told(bought("2011-01-01"), bought("2011-01-15", currency="EUR")),
        "2011-01-15",
        {"x": 1, "t_x": 2.0, "T": 2.0, "mean": None, "due": None},
    ),
    Case(
        "A purchase without an amount is still a purchase.",
        told(bought("2011-01-01"), fact("2011-01-08", "purchase.completed", {"order_id": "x"})),
        "2011-01-08",
        {"x": 1, "t_x": 1.0, "T": 1.0, "mean": "0.00", "due": None},
    ),
)
