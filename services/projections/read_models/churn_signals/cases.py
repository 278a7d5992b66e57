"""What the churn signals say, by example, under the default policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.scoring import signals
from services.projections.scoring.examples import (
    Case,
    bought,
    complained,
    fact,
    moment,
    promised,
    resolved,
    returned,
    told,
)

if TYPE_CHECKING:
    from services.projections.scoring.signal_state import SignalState


def look(state: SignalState, when: str) -> dict[str, Any]:
    """What a case sees of a state."""
    as_of = moment(when)
    return {
        "open": {
            signal.kind: "alerted" if signal.alerted else "missed" if signal.missed else "due"
            for signal in signals.signals(state, as_of)
        },
        "timers": {
            kind: due.isoformat(timespec="minutes").removesuffix("+00:00")
            for kind, due in signals.timers(state).items()
        },
        "proposed": [(each.type, each.data["kind"]) for each in signals.proposals(state, as_of)],
        "missed": {kind: each.count for kind, each in signals.missed(state).items()},
    }


QUIET: dict[str, Any] = {"open": {}, "timers": {}, "proposed": [], "missed": {}}
MONTHLY = (bought("2011-01-01"), bought("2011-01-31"), bought("2011-03-02"))
LONG_AGO = tuple(
    bought(at, recorded="2026-11-01") for at in ("2011-01-01", "2011-01-31", "2011-03-02")
)

BACK_AGAIN = (
    *MONTHLY,
    fact("2011-07-20", "churn_signal.raised", {"signal_id": "s", "kind": "silence"}),
    bought("2011-08-01", "20.00", order="back"),
    fact("2011-08-01", "churn_signal.cleared", {"signal_id": "s", "kind": "silence"}),
)

CASES = (
    Case("Nobody gives no sign.", (), "2011-01-01", QUIET),
    Case("Two purchases show no pace yet.", told(*MONTHLY[:2]), "2011-12-01", QUIET),
    Case(
        "A monthly buyer has a timer at three expected gaps.",
        told(*MONTHLY),
        "2011-04-01",
        {**QUIET, "timers": {"silence": "2011-07-20T00:00"}},
    ),
    Case(
        "Who was erased is not to be won back.",
        told(*MONTHLY, fact("2011-04-01", "customer.erased", {"keys_destroyed": 1})),
        "2011-07-21",
        QUIET,
    ),
    Case(
        "Who is not to be recorded seems silent, and raises no signal for it.",
        told(*MONTHLY, fact("2011-04-01", "suppression.set", {"in_force": True})),
        "2011-07-21",
        QUIET,
    ),
    Case(
        "When it is due, the signal is proposed.",
        told(*MONTHLY),
        "2011-07-20",
        {
            "open": {"silence": "due"},
            "timers": {"silence": "2011-07-20T00:00"},
            "proposed": [("churn_signal.raised", "silence")],
            "missed": {},
        },
    ),
    Case(
        "Imported fifteen years later, the silence is shown but alarms nobody.",
        told(*LONG_AGO),
        "2011-08-01",
        {"open": {"silence": "missed"}, "timers": {}, "proposed": [], "missed": {}},
    ),
    Case(
        "Bought again after a long silence nobody was told of: it is counted.",
        told(*LONG_AGO, bought("2011-09-01", recorded="2026-11-01")),
        "2011-09-01",
        {**QUIET, "missed": {"silence": 1}},
    ),
    Case(
        "Silent, bought, no longer silent: the next silence is months away.",
        told(*BACK_AGAIN),
        "2011-08-10",
        {**QUIET, "timers": {"silence": "2012-03-07T00:00"}},
    ),
    Case(
        "That very purchase came back wholly: silent since the one before, from now on.",
        told(*BACK_AGAIN, returned("2011-08-09", "20.00", order="back")),
        "2011-08-10",
        {
            "open": {"silence": "due"},
            "timers": {"silence": "2011-08-09T00:00"},
            "proposed": [("churn_signal.raised", "silence")],
            "missed": {},
        },
    ),
    Case(
        "A high complaint has a day; a low one five.",
        told(complained("2011-03-01", "a", "high"), complained("2011-03-01", "b", "low")),
        "2011-03-01T12:00",
        {**QUIET, "timers": {"complaint_unresolved": "2011-03-02T00:00"}},
    ),
    Case(
        "Resolved in time, nothing is due.",
        told(complained("2011-03-01", "a", "high"), resolved("2011-03-01T20:00", "a")),
        "2011-03-05",
        QUIET,
    ),
    Case(
        "A promise is given a day of grace.",
        told(promised("2011-03-01", "2011-03-10")),
        "2011-03-10T12:00",
        {**QUIET, "timers": {"promise_broken": "2011-03-11T00:00"}},
    ),
)
