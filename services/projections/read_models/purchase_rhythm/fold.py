"""How often does this customer buy, and until when is their silence ordinary?

Nothing here does I/O. Order matters: a purchase before the last one is refolded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from services.projections.read_model import StateModel
from services.projections.scoring import rhythm
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.rhythm import NO_PURCHASES, Rhythm
from services.projections.scoring.times import DAY, instant

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal


def pack(state: Rhythm) -> bytes:
    """The state as canonical bytes."""
    return orjson.dumps(rhythm.pack(state), option=orjson.OPT_SORT_KEYS)


def unpack(packed: bytes) -> Rhythm:
    """The state that `pack` made these bytes of."""
    return rhythm.unpack(orjson.loads(packed))


def _first_purchase(state: Rhythm) -> date | None:
    return instant(state.first * DAY).date() if state.days else None


def _last_purchase(state: Rhythm) -> datetime | None:
    return instant(state.last_at) if state.days else None


def _mean_repeat_spend(state: Rhythm) -> Decimal | None:
    mean = rhythm.mean_repeat_spend(state)
    return None if mean is None else mean.value


def _currency(state: Rhythm) -> str | None:
    mean = rhythm.mean_repeat_spend(state)
    return None if mean is None else mean.currency


def read_model() -> StateModel[Rhythm]:
    """The sufficient statistics of a customer's purchases."""
    pace = load_policy().pace
    return StateModel(
        name="purchase_rhythm",
        version=1,
        order_matters=True,
        start=lambda: NO_PURCHASES,
        step=rhythm.step,
        pack=pack,
        unpack=unpack,
        columns={
            "purchase_days": lambda state: state.days,
            "first_purchase": _first_purchase,
            "last_purchase": _last_purchase,
            "x": lambda state: max(state.days - 1, 0),
            "t_x_weeks": rhythm.weeks_between,
            "mean_repeat_spend": _mean_repeat_spend,
            "currency": _currency,
            "silence_due_at": lambda state: rhythm.due(state, pace),
        },
    )
