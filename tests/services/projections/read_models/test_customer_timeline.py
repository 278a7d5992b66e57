"""The timeline's cases hold, and its rows fit its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from events.catalog import catalog
from services.projections.read_models.customer_timeline.cases import CASES
from services.projections.read_models.customer_timeline.fold import read_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact


@pytest.mark.parametrize(("fact", "expected"), [pytest.param(*row[1:], id=row[0]) for row in CASES])
def test_a_fact_becomes_this_row(fact: Fact, expected: Mapping[str, Any]) -> None:
    row = read_model(catalog()).row(fact)
    assert row is not None
    assert {name: row[name] for name in expected} == expected
    assert row["sentence"]
