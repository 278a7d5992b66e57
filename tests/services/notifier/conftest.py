"""A real ledger for the notifier's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.plumbing.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def ledger(conninfo: str) -> Generator[Ledger]:
    with Ledger.open(conninfo, connections=2) as opened:
        yield opened
