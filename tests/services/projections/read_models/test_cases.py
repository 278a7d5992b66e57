"""Every read model's cases hold: they are documentation, and this runs it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import pytest

from events.fold import fold
from services.projections import read_models
from services.projections.scoring.examples import Case, fact, moment, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.projections.read_model import StateModel

WITH_CASES = [
    found.name
    for found in iter_modules(read_models.__path__, f"{read_models.__name__}.")
    if found.ispkg and find_spec(f"{found.name}.cases") is not None
]


def _cases() -> Iterator[Any]:
    for folder in WITH_CASES:
        for case in import_module(f"{folder}.cases").CASES:
            if isinstance(case, Case):
                yield pytest.param(folder, case, id=f"{folder.rsplit('.', 1)[-1]}: {case.title}")


def _model(folder: str) -> StateModel[Any]:
    return import_module(f"{folder}.fold").read_model()


@pytest.mark.parametrize(("folder", "case"), list(_cases()))
def test_what_is_given_leads_to_what_is_then_seen(folder: str, case: Case) -> None:
    model = _model(folder)
    state = fold(
        model.step, model.start(), [f for f in case.given if f.occurred_at <= moment(case.when)]
    )
    look = import_module(f"{folder}.cases").look

    assert look(state, case.when) == case.then
    assert look(model.unpack(model.pack(state)), case.when) == case.then


def test_the_four_scoring_read_models_have_cases() -> None:
    names = {folder.rsplit(".", 1)[-1] for folder in WITH_CASES}

    assert names >= {"churn_signals", "purchase_rhythm", "relationship_health", "wallet_share"}


@pytest.mark.parametrize(
    "name", ["churn_signals", "purchase_rhythm", "relationship_health", "wallet_share"]
)
def test_an_unknown_fact_leaves_the_very_same_state(name: str) -> None:
    folder = f"{read_models.__name__}.{name}"
    model = _model(folder)
    unknown = fact("2011-05-01", "custom.happened", {"complaint_id": "c1", "total": "12"})
    for case in import_module(f"{folder}.cases").CASES:
        state = fold(model.step, model.start(), case.given)

        assert model.step(state, told(unknown)[0]) is state
