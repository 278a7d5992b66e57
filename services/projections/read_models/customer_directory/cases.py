"""What the directory says of a customer, by example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from events.times import format_time
from services.projections.scoring.examples import Case, bought, fact, returned, told

if TYPE_CHECKING:
    from services.projections.read_models.customer_directory.fold import Entry


def look(state: Entry, _when: str) -> dict[str, Any]:
    """What a case sees of a state."""
    spend = state.main_spend
    return {
        "events": state.events,
        "purchases": state.purchases,
        "seen": " to ".join(
            format_time(moment)[:10] for moment in (state.first_seen, state.last_seen) if moment
        ),
        "last_purchase": state.last_purchase and format_time(state.last_purchase)[:10],
        "last_contact": state.last_contact and format_time(state.last_contact)[:10],
        "spend": spend and f"{spend[1]} {spend[0]}",
    }


CASES = (
    Case(
        "Nobody was never seen.",
        (),
        "2011-06-01",
        {
            "events": 0,
            "purchases": 0,
            "seen": "",
            "last_purchase": None,
            "last_contact": None,
            "spend": None,
        },
    ),
    Case(
        "Purchases in any order: first, last, and spend net of returns.",
        told(
            bought("2011-03-01", "60.00"),
            bought("2011-01-01", "30.00"),
            returned("2011-03-05", "20.00"),
        ),
        "2011-06-01",
        {
            "events": 3,
            "purchases": 2,
            "seen": "2011-01-01 to 2011-03-05",
            "last_purchase": "2011-03-01",
            "last_contact": None,
            "spend": "70.00 GBP",
        },
    ),
    Case(
        "An order wholly returned is no purchase, though its return is read first.",
        told(
            returned("2011-03-05", "60.00", order="b"),
            bought("2011-01-01", "30.00"),
            bought("2011-03-01", "60.00", order="b"),
        ),
        "2011-06-01",
        {
            "events": 3,
            "purchases": 1,
            "seen": "2011-01-01 to 2011-03-05",
            "last_purchase": "2011-01-01",
            "last_contact": None,
            "spend": "30.00 GBP",
        },
    ),
    Case(
        "Of two currencies the larger is shown; they are never added.",
        told(bought("2011-01-01", "30.00"), bought("2011-01-02", "31.00", currency="EUR")),
        "2011-06-01",
        {
            "events": 2,
            "purchases": 2,
            "seen": "2011-01-01 to 2011-01-02",
            "last_purchase": "2011-01-02",
            "last_contact": None,
            "spend": "31.00 EUR",
        },
    ),
    Case(
        "What we did for them is a contact; what we concluded ourselves is not being seen.",
        told(
            fact("2011-01-01", "complaint.opened", {"complaint_id": "k"}),
            fact("2011-01-03", "complaint.responded", {"complaint_id": "k"}),
            fact("2011-02-01", "churn_signal.raised", {"kind": "silence"}),
            fact("2011-02-01", "audit.read", {"what": "history"}),
            fact("2011-02-02", "customer.erased", {}),
        ),
        "2011-06-01",
        {
            "events": 5,
            "purchases": 0,
            "seen": "2011-01-01 to 2011-01-03",
            "last_purchase": None,
            "last_contact": "2011-01-03",
            "spend": None,
        },
    ),
)
