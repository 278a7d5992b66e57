"""The projections over a real ledger and vault, with the read routes served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from events.catalog import catalog
from infra.plumbing.access import Access
from infra.plumbing.http import auth, problems
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.vault.vault import Vault, open_master
from services.projections.routes import build_router
from services.projections.service import ProjectionService
from tests.services.projections.house import NOW, House

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from infra.plumbing.postgres.pool import Pool


@pytest.fixture
def house(conninfo: str, pool: Pool, vault_pool: Pool, tmp_path: Path) -> Generator[House]:
    """Projections over a fresh database whose clock stands at NOW."""
    vault = Vault(vault_pool, open_master(vault_pool, tmp_path / "master.key"))
    app = FastAPI()
    problems.install(app)
    auth.install(app, Access(vault_pool))
    with Ledger.open(conninfo) as ledger, TestClient(app) as client:
        service = ProjectionService(ledger, pool, vault, catalog(), clock=lambda: NOW)
        service.prepare()
        app.include_router(build_router(service))
        yield House(conninfo, ledger, vault_pool, vault, service, client)
