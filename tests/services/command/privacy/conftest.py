"""The office over the running intake of the tests of the command service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.command.privacy.journal import NAME, Journal
from services.command.privacy.routes import build_router
from tests.services.command.privacy.office import Office

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.command.house import House


@pytest.fixture
def office(house: House) -> Office:
    house.app.include_router(build_router(house.service.privacy))
    for role in ("privacy", "auditor", "operator", "steward", "agent"):
        house.keys[role] = house.key(role)
    return Office(house)


@pytest.fixture
def journal(office: Office, tmp_path: Path) -> Journal:
    """The office's journal, as the platform wires it."""
    journal = Journal(tmp_path / NAME)
    office.keep(journal)
    return journal
