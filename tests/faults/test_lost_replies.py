"""PostgreSQL commits and its reply is lost: each event is stored once all the same (P2).

The whole program works over a wire that cuts a connection just when COMMIT is answered, whoever
asked: intake, projections, notifier. The emitters lose answers too.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.invariants import violations
from tests.faults.storm import storm
from tests.faults.wire import Loss, http_wire, postgres_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres
    from tests.faults.program import Program
    from tests.faults.reaper import Reaper

LOSSES = 2 * int(os.environ.get("RAPPORT_TEST_KILLS", "20"))
COMMITTED = b"COMMIT\x00"
ONE_LOST_IN = 25
MOST_SECONDS = 20.0 * LOSSES


@pytest.fixture
def commits(seed: int) -> Loss:
    """Which answers of the database are lost."""
    dice = random.Random(f"{seed} commits")  # noqa: S311 - repeatable
    return Loss(dice, COMMITTED, one_in=ONE_LOST_IN, most=LOSSES)


@pytest.fixture
def wired_program(
    program: Program,
    conninfo: str,
    vault_conninfo: str,
    postgres_server: EmbeddedPostgres,
    commits: Loss,
) -> Iterator[Program]:
    """A program that works on the test's server, over a wire that loses `commits`."""
    parts = conninfo_to_dict(conninfo)
    server = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    program.own_server = postgres_server.superuser_conninfo(str(parts["dbname"]))
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        program.settings = {
            "RAPPORT_DATABASE_URL": make_conninfo(conninfo, host=folder, port=5432),
            "RAPPORT_DATABASE_VAULT_URL": make_conninfo(vault_conninfo, host=folder, port=5432),
        }
        with postgres_wire(Path(folder), server, commits):
            yield program


@pytest.mark.faults
@pytest.mark.timeout(600 + 20 * LOSSES)
def test_commits_whose_replies_are_lost_leave_every_invariant_whole(
    wired_program: Program, commits: Loss, seed: int, tell: Callable[[str], None]
) -> None:
    program = wired_program
    dice = random.Random(f"{seed} answers")  # noqa: S311 - repeatable
    answers = Loss(dice, b"HTTP/1.1 2", one_in=ONE_LOST_IN, most=LOSSES)

    def lose(reaper: Reaper) -> float:
        answers.begun.set()
        commits.begun.set()
        assert commits.all_lost.wait(MOST_SECONDS), f"only {commits.lost} were lost"
        reaper.sample()
        return monotonic()

    with storm(program, seed) as raging, http_wire(lambda: program.url, answers) as url:
        raging.rage(lose, lambda: url)
        assert program.end() == 0, program.said()[-5:]
    tell(f"{raging.summary()}, {commits.lost} commits and {answers.lost} answers lost")
    assert [*raging.crossed, *violations(raging.evidence(program.own_server))] == []
    assert raging.record.complaints
