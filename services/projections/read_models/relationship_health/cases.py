"""What relationship health says, by example, under the default policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.scoring import health
from services.projections.scoring.examples import (
    Case,
    bought,
    complained,
    fact,
    moment,
    promised,
    resolved,
    told,
)
from services.projections.scoring.policy_reader import load_policy

if TYPE_CHECKING:
    from services.projections.scoring.health_state import HealthState


def look(state: HealthState, when: str) -> dict[str, Any]:
    """What a case sees of a state."""
    seen = health.score(state, load_policy(), moment(when))
    return {
        "value": None if seen.value is None else str(seen.value),
        "status": seen.status,
        "coverage": str(seen.coverage),
        "groups": {name: str(points) for name, points in seen.groups.items() if points},
    }


MONTHLY = (bought("2011-01-01"), bought("2011-01-31"), bought("2011-03-02"))

CASES = (
    Case(
        "Of nobody nothing is known, and no figure is made up.",
        (),
        "2011-03-02",
        {"value": None, "status": "insufficient_data", "coverage": "0.000", "groups": {}},
    ),
    Case(
        "A campaign alone is too little to score somebody.",
        told(fact("2011-03-01", "campaign.sent", {"campaign_id": "k1", "channel": "email"})),
        "2011-03-02",
        {"value": None, "status": "insufficient_data", "coverage": "0.100", "groups": {}},
    ),
    Case(
        "A monthly buyer on the day of a purchase: what is not known adds nothing.",
        told(*MONTHLY),
        "2011-03-02",
        {
            "value": "57.378",
            "status": "ok",
            "coverage": "0.400",
            "groups": {"rhythm": "17.378"},
        },
    ),
    Case(
        "The same customer half a year later, silent.",
        told(*MONTHLY),
        "2011-09-02",
        {
            "value": "21.814",
            "status": "ok",
            "coverage": "0.400",
            "groups": {"rhythm": "-18.186"},
        },
    ),
    Case(
        "An open complaint costs at once; three purchase days soften it.",
        told(*MONTHLY, complained("2011-03-02T10:00")),
        "2011-03-02T10:00",
        {
            "value": "49.190",
            "status": "ok",
            "coverage": "0.700",
            "groups": {"rhythm": "17.366", "experience": "-8.176"},
        },
    ),
    Case(
        "Resolved, it leaves a part that fades.",
        told(*MONTHLY, complained("2011-03-02T10:00"), resolved("2011-03-03T10:00")),
        "2011-03-03T10:00",
        {
            "value": "54.467",
            "status": "ok",
            "coverage": "0.700",
            "groups": {"rhythm": "17.329", "experience": "-2.862"},
        },
    ),
    Case(
        "A promise past its date costs until it is kept or broken.",
        told(*MONTHLY, promised("2011-03-02", "2011-03-10")),
        "2011-03-25",
        {
            "value": "51.472",
            "status": "ok",
            "coverage": "0.500",
            "groups": {"rhythm": "14.972", "reciprocity": "-3.500"},
        },
    ),
)
