"""What is known of a customer's spend per category, here and elsewhere? Nothing here does I/O.

Order does not matter: sums by day, counts, and the newest statement.
"""

from __future__ import annotations

from services.projections.read_model import StateModel
from services.projections.scoring.wallet_state import NO_WALLET, WalletState, pack, step, unpack


def read_model() -> StateModel[WalletState]:
    """The evidence behind every wallet share."""
    return StateModel(
        name="wallet_share",
        version=1,
        order_matters=False,
        start=lambda: NO_WALLET,
        step=step,
        pack=pack,
        unpack=unpack,
        columns={"categories": lambda state: len(state.categories)},
    )
