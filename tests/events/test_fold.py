"""The law of folding: reading on from a state equals reading everything from the start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from events.facts import Fact
from events.fold import fold

START = datetime(2011, 1, 1, tzinfo=UTC)


def fact(position: int, source: str = "shop", minute: int = 0) -> Fact:
    moment = START + timedelta(minutes=minute)
    return Fact(
        position, UUID(int=1), position, source, str(position), "a.b", "1-0-0", moment, START, {}
    )


def seen(state: tuple[int, ...], each: Fact) -> tuple[int, ...]:
    return (*state, each.position)


@given(st.lists(st.integers(1, 99)), st.integers(0, 99))
def test_reading_on_from_a_state_equals_reading_all(positions: list[int], cut: int) -> None:
    facts = [fact(position) for position in positions]
    halfway = fold(seen, (), facts[:cut])
    assert fold(seen, halfway, facts[cut:]) == fold(seen, (), facts) == tuple(positions)


def test_only_a_simulators_facts_are_simulated() -> None:
    assert fact(1, source="simulator/sample-7").simulated
    assert not fact(1, source="shop").simulated


def test_facts_are_ordered_by_when_they_occurred_then_by_position() -> None:
    late, early, twin = fact(1, minute=5), fact(2, minute=1), fact(3, minute=1)
    assert sorted([twin, late, early], key=lambda each: each.order) == [early, twin, late]
