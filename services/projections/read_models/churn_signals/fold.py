"""Which signs that this customer may leave are open, due, or were missed? Nothing here does I/O.

Order matters. The timers say when silence alone, an open complaint or a promise past its date
becomes a signal; `proposals` says which signals should now be recorded as raised or cleared.
"""

from __future__ import annotations

from services.projections.read_model import StateModel
from services.projections.scoring import signals
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.signal_state import (
    NO_SIGNALS,
    SignalState,
    pack,
    stepper,
    unpack,
)


def read_model() -> StateModel[SignalState]:
    """The churn signals of the default policy."""
    policy = load_policy()
    return StateModel(
        name="churn_signals",
        version=1,
        order_matters=True,
        start=lambda: NO_SIGNALS,
        step=stepper(policy),
        pack=pack,
        unpack=unpack,
        columns={
            "open_signals": lambda state: len(state.open),
            "missed_signals": lambda state: sum(missed.count for missed in state.missed.values()),
        },
        timers=lambda state: signals.timers(state, policy),
        proposals=lambda stream, state, as_of: signals.proposals(state, as_of, policy, stream),
    )
