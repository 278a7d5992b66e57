"""Whoever lets people in works with the vault's login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra.plumbing.postgres.pool import Pool


@pytest.fixture
def pool(vault_pool: Pool) -> Pool:
    """A pool that reaches API keys."""
    return vault_pool
