"""The audit over the running intake of the tests of the command service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from events.catalog import catalog
from services.command.audit.routes import build_router
from services.command.audit.service import Audit
from tests.services.command.audit.desk import Desk
from tests.services.command.house import NOW

if TYPE_CHECKING:
    from tests.services.command.house import House


@pytest.fixture
def desk(house: House) -> Desk:
    """The audit routes, with a key for each role that may ask and for some that may not."""
    audit = Audit(house.ledger, house.vault, house.service.recorder, catalog(), lambda: NOW)
    house.app.include_router(build_router(audit))
    for role in ("auditor", "privacy", "operator", "agent", "steward"):
        house.keys[role] = house.key(role)
    return Desk(house)
