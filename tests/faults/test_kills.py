"""Whatever is killed, under load, again and again: every invariant holds afterwards.

The short form deals 20 blows; `make test-faults` deals 200. RAPPORT_TEST_SEED repeats a run's dice.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.postgres.facts import DATABASE
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from tests.faults.invariants import violations
from tests.faults.storm import storm
from tests.faults.wire import Loss, http_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.program import Program

KILLS = int(os.environ.get("RAPPORT_TEST_KILLS", "20"))
ONE_LOST_IN = 40


@pytest.mark.faults
@pytest.mark.timeout(600 + 30 * KILLS)
def test_whatever_is_killed_under_load_every_invariant_holds(
    program: Program, seed: int, tell: Callable[[str], None]
) -> None:
    dice = random.Random(f"{seed} wire")  # noqa: S311 - repeatable
    loss = Loss(dice, b"HTTP/1.1 2", one_in=ONE_LOST_IN, most=100 * KILLS)
    loss.begun.set()
    with storm(program, seed) as raging, http_wire(lambda: program.url, loss) as url:
        raging.rage(lambda reaper: reaper.deal(KILLS), lambda: url)
        assert program.end() == 0, program.said()[-5:]
    tell(f"{raging.summary()}, {loss.lost} answers lost")
    with EmbeddedPostgres(program.data_dir, what="pytest") as server:
        evidence = raging.evidence(server.superuser_conninfo(DATABASE))
        assert [*raging.crossed, *violations(evidence)] == []
    assert len(raging.reaper.dealt) == KILLS
    assert raging.record.complaints
