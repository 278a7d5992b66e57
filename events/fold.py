"""The one idea: a state is what is left when facts are read one after another."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from events.facts import Fact

State = TypeVar("State")


def fold(step: Callable[[State, Fact], State], start: State, facts: Iterable[Fact]) -> State:
    """Read `facts` in the order given and return the state they leave.

    `step` is pure and never refuses: rules belong where a fact is decided, before it is recorded.
    """
    return reduce(step, facts, start)
