"""A running intake over a real ledger and vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from events.catalog import catalog
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.vault.vault import Vault, open_master
from services.command.gather import MAX_WAITING
from services.command.service import CommandService
from tests.services.command.house import NOW, House, application

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from infra.plumbing.postgres.pool import Pool


@pytest.fixture
def house(
    request: pytest.FixtureRequest, conninfo: str, vault_pool: Pool, tmp_path: Path
) -> Generator[House]:
    """Intake over a fresh database, with keys for the shop's emitter, a marketer and an admin.

    Its parameter, if a test gives one, is how many events may wait.
    """
    master = open_master(vault_pool, tmp_path / "master.key")
    vault = Vault(vault_pool, master)
    with (
        Ledger.open(conninfo) as ledger,
        CommandService(
            ledger=ledger,
            vault=vault,
            pool=vault_pool,
            master=master,
            catalog=catalog(),
            clock=lambda: NOW,
            max_waiting=getattr(request, "param", MAX_WAITING),
        ) as service,
        TestClient(app := application(service, vault_pool)) as client,
    ):
        built = House(app, client, service, ledger, vault, vault_pool, master)
        built.keys = {
            "emitter": built.key("emitter", "shop"),
            "admin": built.key("admin"),
            "marketer": built.key("marketer"),
        }
        yield built
