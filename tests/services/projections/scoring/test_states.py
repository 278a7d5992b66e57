"""Laws every folded state keeps: canonical bytes, refolding, and taking whatever was recorded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.fold import fold
from services.projections.scoring import health, signals, wallet
from services.projections.scoring.examples import ODD, SENSIBLE, Template, fact, history, moment
from services.projections.scoring.policy_reader import load_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.projections.read_model import StateModel

NAMES = ("churn_signals", "purchase_rhythm", "relationship_health", "wallet_share")
MODELS: dict[str, StateModel[Any]] = {
    name: import_module(f"services.projections.read_models.{name}.fold").read_model()
    for name in NAMES
}
HISTORIES = st.lists(
    st.tuples(st.integers(0, 9000), st.sampled_from((*SENSIBLE, *ODD)), st.integers(0, 2000)),
    max_size=60,
)
Drawn = list[tuple[int, Template, int]]


@pytest.mark.parametrize("name", NAMES)
@given(drawn=HISTORIES)
def test_packing_round_trips_exactly_and_is_stable(name: str, drawn: Drawn) -> None:
    model = MODELS[name]
    state = fold(model.step, model.start(), history(drawn))
    packed = model.pack(state)

    assert model.unpack(packed) == state
    assert model.pack(model.unpack(packed)) == packed


@pytest.mark.parametrize("name", NAMES)
@given(drawn=HISTORIES, cut=st.integers(0, 60))
def test_folding_on_from_a_packed_state_equals_folding_afresh(
    name: str, drawn: Drawn, cut: int
) -> None:
    model = MODELS[name]
    facts = history(drawn)
    early = model.unpack(model.pack(fold(model.step, model.start(), facts[:cut])))

    assert model.pack(fold(model.step, early, facts[cut:])) == model.pack(
        fold(model.step, model.start(), facts)
    )


@pytest.mark.parametrize("name", NAMES)
@given(drawn=HISTORIES)
def test_folding_changes_no_state_that_was_handed_out(name: str, drawn: Drawn) -> None:
    model = MODELS[name]
    state = model.start()
    for each in history(drawn):
        before = model.pack(state)
        after = model.step(state, each)
        assert model.pack(state) == before
        state = after


@pytest.mark.parametrize("name", NAMES)
@given(drawn=HISTORIES)
def test_every_typed_column_and_timer_can_be_told_of_any_state(name: str, drawn: Drawn) -> None:
    model = MODELS[name]
    state = fold(model.step, model.start(), history(drawn))
    figures = {column: figure(state) for column, figure in model.columns.items()}
    timers: Mapping[str, datetime] = {} if model.timers is None else model.timers(state)

    assert figures.keys() == model.columns.keys()
    assert all(due.tzinfo is not None for due in timers.values())


@given(drawn=HISTORIES)
def test_any_state_can_be_scored(drawn: Drawn) -> None:
    facts, as_of = history(drawn), moment("2012-06-01")
    policy = load_policy()
    shown = health.score(health.fold(facts, policy), policy, as_of)
    churn = fold(MODELS["churn_signals"].step, MODELS["churn_signals"].start(), facts)
    shares = wallet.shares(
        fold(MODELS["wallet_share"].step, MODELS["wallet_share"].start(), facts), as_of
    )

    assert shown.value is None or 0 <= shown.value <= 100
    assert 0 <= shown.coverage <= 1
    assert len({signal.signal_id for signal in signals.signals(churn, as_of)}) <= 4
    assert all(share.category for share in shares)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", ["0001-01-02", "1969-12-31T23:59", "9999-12-30"])
def test_the_ends_of_the_calendar_are_taken_too(name: str, at: str) -> None:
    model = MODELS[name]
    state = model.start()
    for type_, data in SENSIBLE * 3:
        state = model.step(state, fact(at, type_, data))

    assert model.unpack(model.pack(state)) == state
    assert model.timers is None or model.timers(state) is not None
