"""What the fault tests share: a seed that is printed, and a program to be struck."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GIVEN_SEED = os.environ.get("RAPPORT_TEST_SEED", "")


@pytest.fixture
def seed() -> int:
    """The seed of all dice: RAPPORT_TEST_SEED, or a new one. A failing test shows it."""
    drawn = int(GIVEN_SEED) if GIVEN_SEED else random.SystemRandom().randrange(1_000_000)
    print(f"RAPPORT_TEST_SEED={drawn}")  # noqa: T201 - pytest shows it beside the failure
    return drawn


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Say something to whoever watches the long form."""

    def say(words: str) -> None:
        with capsys.disabled():
            print(f"\n{words}")  # noqa: T201 - the point of it

    return say


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A program not started yet; killed at the end if it still runs."""
    made = Program(tmp_path / "data")
    try:
        yield made
    finally:
        if made.process is not None:
            made.kill()
