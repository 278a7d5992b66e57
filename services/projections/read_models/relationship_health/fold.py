"""What must be remembered of a customer to say how the relationship is? Nothing here does I/O.

The state belongs to the default policy; `services.projections.scoring.health` reads it at any
instant. Under another policy the customer's facts are folded again. Order matters.
"""

from __future__ import annotations

from services.projections.read_model import StateModel
from services.projections.scoring.health_state import NOBODY, HealthState, pack, stepper, unpack
from services.projections.scoring.policy_reader import load_policy


def read_model() -> StateModel[HealthState]:
    """The folded health of the default policy."""
    return StateModel(
        name="relationship_health",
        version=1,
        order_matters=True,
        start=lambda: NOBODY,
        step=stepper(load_policy()),
        pack=pack,
        unpack=unpack,
    )
