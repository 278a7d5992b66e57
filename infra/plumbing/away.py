"""How it shows that the database does not answer just now, whichever library says it.

Whoever meets one of these tries again later, or tells its own caller to.
"""

from __future__ import annotations

from typing import Final

import psycopg
from eventsourcing import persistence

from infra.plumbing.ledger.recorder import LedgerBusy
from infra.plumbing.vault.vault import VaultBusy

AWAY: Final[tuple[type[Exception], ...]] = (
    LedgerBusy,
    VaultBusy,
    persistence.OperationalError,
    persistence.InterfaceError,
    psycopg.OperationalError,  # the pool's PoolTimeout is one
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,  # to psycopg an InternalError
)
"""The same may be sent again. Nothing was stored, unless it is an `OutcomeUnknown`."""
