"""The worker against a real PostgreSQL: rows and checkpoints together, or nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.plumbing.postgres.pool import session_conninfo
from services.projections import folding
from services.projections.discovery import Found
from services.projections.errors import (
    BrokenReadModel,
    CheckpointMoved,
    FeedBroken,
    FoldFailed,
)
from services.projections.remembered import Remembered
from services.projections.worker import Worker
from tests.services.projections.tiny import (
    NOW,
    MemoryLedger,
    customer,
    lines,
    said,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from events.facts import Fact

HISTORY = [said(1, 1, "a", 1), said(2, 2, "b", 2), said(3, 1, "c", 3), said(4, 1, "d", 4)]


def hire(conninfo: str, ledger: MemoryLedger, *found: Found) -> Worker:
    worker = Worker.hire(conninfo, found or (words(), lines()), ledger, threading.Event())
    assert worker is not None
    return worker


def states(conninfo: str) -> dict[UUID, tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT stream, position, state, count, last FROM read.words")
        return {row[0]: (row[1], bytes(row[2]).decode(), *row[3:]) for row in rows}


def line_words(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM read.lines ORDER BY 1")]


def checkpoints(conninfo: str) -> dict[str, int]:
    with psycopg.connect(conninfo) as connection:
        return dict(connection.execute("SELECT name, position FROM read.checkpoints").fetchall())


def test_a_batch_becomes_rows_and_checkpoints(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(HISTORY)) as worker:
        worker.take(HISTORY, NOW)
        assert worker.position == 4
    assert states(conninfo) == {
        customer(1): (4, "002:a 004:c 005:d", 3, "d"),
        customer(2): (2, "003:b", 1, "b"),
    }
    assert line_words(conninfo) == ["a", "b", "c", "d"]
    assert checkpoints(conninfo) == {"words_v1": 4, "lines_v1": 4}


def test_a_row_model_may_have_no_row_for_a_fact(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger()) as worker:
        worker.take([said(1, 1, "hush", 1), said(2, 1, "b", 1)], NOW)
    assert line_words(conninfo) == ["b"]


def test_a_late_fact_refolds_its_customer_in_the_order_things_happened(conninfo: str) -> None:
    late = [*HISTORY, said(5, 1, "late", 2), said(6, 2, "e", 9)]
    with hire(conninfo, MemoryLedger(late)) as worker:
        worker.take(late[:4], NOW)
        worker.take(late[4:], NOW)
    assert states(conninfo)[customer(1)] == (5, "002:a 003:late 004:c 005:d", 4, "d")
    assert states(conninfo)[customer(2)] == (6, "003:b 010:e", 2, "e")


def test_a_refold_reads_no_further_than_its_batch(conninfo: str) -> None:
    facts = [said(1, 1, "a", 5), said(2, 1, "late", 1), said(3, 1, "after", 2)]
    with hire(conninfo, MemoryLedger(facts)) as worker:
        worker.take(facts[:1], NOW)
        worker.take(facts[1:2], NOW)
        assert states(conninfo)[customer(1)][1] == "002:late 006:a"
        worker.take(facts[2:], NOW)
    assert states(conninfo)[customer(1)][1] == "002:late 003:after 006:a"


def test_where_order_does_not_matter_facts_are_folded_as_they_arrive(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(), words(order_matters=False)) as worker:
        worker.take([said(1, 1, "a", 5)], NOW)
        worker.take([said(2, 1, "late", 1)], NOW)
    assert states(conninfo)[customer(1)][1] == "006:a 002:late"


def test_a_hole_in_the_feed_stops_the_worker_before_it_writes(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger()) as worker:
        for holed in ([said(2, 1, "b", 1)], [HISTORY[0], HISTORY[2]], [HISTORY[0], HISTORY[0]]):
            with pytest.raises(FeedBroken, match="After position"):
                worker.take(holed, NOW)
    assert states(conninfo) == {}


def test_a_fold_that_raises_changes_nothing_and_says_where(conninfo: str) -> None:
    facts = [said(1, 1, "a", 1), said(2, 2, "boom", 1), said(3, 3, "c", 1)]
    with hire(conninfo, MemoryLedger()) as worker:
        with pytest.raises(FoldFailed) as failed:
            worker.take(facts, NOW)
        assert (failed.value.model, failed.value.position) == ("words", 2)
        assert failed.value.trigger == 2
        assert worker.position == 0
        worker.take(facts[:1], NOW)
    assert set(states(conninfo)) == {customer(1)}


def test_a_failure_while_reading_late_history_again_names_the_fact_that_cannot_be_passed(
    conninfo: str,
) -> None:
    facts = [said(1, 1, "a", 5), said(2, 1, "late", 1)]
    changed = MemoryLedger([said(1, 1, "boom", 5), facts[1]])
    with hire(conninfo, changed) as worker:
        worker.take(facts[:1], NOW)
        with pytest.raises(FoldFailed) as failed:
            worker.take(facts[1:], NOW)
    assert (failed.value.position, failed.value.trigger) == (1, 2)


def test_nothing_is_written_when_another_worker_moved_the_checkpoint(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(HISTORY)) as worker:
        with psycopg.connect(conninfo) as other:
            other.execute("UPDATE read.checkpoints SET position = 4")
        with pytest.raises(CheckpointMoved):
            worker.take(HISTORY, NOW)
    assert states(conninfo) == {}


def test_a_checkpoint_never_moves_back(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(HISTORY)) as worker:
        worker.take(HISTORY, NOW)
    with psycopg.connect(conninfo) as connection, pytest.raises(psycopg.errors.IntegrityError):
        connection.execute("UPDATE read.checkpoints SET position = 3")


def test_a_repeated_fact_is_skipped_by_the_rows_own_position(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(HISTORY)) as worker:
        worker.take(HISTORY, NOW)
    with psycopg.connect(conninfo) as connection:
        connection.execute("DELETE FROM read.checkpoints")
    before = states(conninfo)
    with hire(conninfo, MemoryLedger(HISTORY)) as worker:
        worker.take(HISTORY[:2], NOW)
        worker.take(HISTORY[2:], NOW)
    assert states(conninfo) == before
    assert line_words(conninfo) == ["a", "b", "c", "d"]


def test_only_one_worker_folds_and_the_next_takes_over_when_it_goes(conninfo: str) -> None:
    ledger = MemoryLedger(HISTORY)
    first = hire(conninfo, ledger)
    hired: list[Worker | None] = []
    second = threading.Thread(
        target=lambda: hired.append(
            Worker.hire(conninfo, (words(), lines()), ledger, threading.Event())
        )
    )
    second.start()
    first.take(HISTORY[:3], NOW)
    assert hired == []
    first.connection.close()
    second.join(timeout=20)
    [successor] = hired
    assert successor is not None
    with successor:
        assert successor.position == 3
        successor.take(HISTORY[3:], NOW)
    assert states(conninfo)[customer(1)][0] == 4


def test_a_worker_that_waits_for_its_turn_can_be_stopped(conninfo: str) -> None:
    stop = threading.Event()
    with hire(conninfo, MemoryLedger()):
        stop.set()
        assert Worker.hire(conninfo, (words(), lines()), MemoryLedger(), stop) is None


def test_a_new_read_model_catches_up_beside_one_that_is_further_on(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger(HISTORY), words()) as worker:
        worker.take(HISTORY[:3], NOW)
    with hire(conninfo, MemoryLedger(HISTORY), words(), lines()) as worker:
        assert worker.position == 0
        worker.take(HISTORY[:2], NOW)
        assert checkpoints(conninfo) == {"words_v1": 3, "lines_v1": 2}
        worker.take(HISTORY[2:], NOW)
    assert states(conninfo)[customer(1)] == (4, "002:a 004:c 005:d", 3, "d")
    assert line_words(conninfo) == ["a", "b", "c", "d"]


def test_a_table_that_does_not_fit_its_fold_is_refused_with_words(conninfo: str) -> None:
    found = words()
    narrow = type(found)(found.model, found.table_sql.replace(b"last text", b"lost text"))
    with pytest.raises(BrokenReadModel, match=r"last that table\.sql lacks; table\.sql has lost"):
        hire(conninfo, MemoryLedger(), narrow)


def test_a_table_sql_that_makes_another_table_is_refused(conninfo: str) -> None:
    found = words()
    other = type(found)(found.model, found.table_sql.replace(b"words_v1", b"words_v7"))
    with pytest.raises(BrokenReadModel, match=r"does not make the table read\.words_v1"):
        hire(conninfo, MemoryLedger(), other)


def test_what_is_remembered_of_busy_customers_is_bounded_and_changes_nothing(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.projections.worker.Remembered", lambda: Remembered(most=1))
    facts = [said(at, at % 3, f"w{at}", at) for at in range(1, 13)]
    with hire(conninfo, MemoryLedger(facts)) as worker:
        for fact in facts:
            worker.take([fact], NOW)
    assert states(conninfo)[customer(1)] == (10, "002:w1 005:w4 008:w7 011:w10", 4, "w10")


def test_a_failed_batch_leaves_nothing_in_memory(conninfo: str) -> None:
    with hire(conninfo, MemoryLedger()) as worker:
        worker.take([said(1, 1, "a", 1)], NOW)
        with pytest.raises(FoldFailed):
            worker.take([said(2, 1, "b", 2), said(3, 2, "boom", 3)], NOW)
        worker.take([said(2, 1, "other", 2)], NOW)
    assert states(conninfo)[customer(1)] == (2, "002:a 003:other", 2, "other")


def test_a_later_version_is_filled_beside_the_active_one_which_goes_on_answering(
    conninfo: str,
) -> None:
    with hire(conninfo, MemoryLedger(HISTORY), words()) as worker:
        worker.take(HISTORY, NOW)
    first = words()
    later = Found(
        replace(first.model, version=2), first.table_sql.replace(b"words_v1", b"words_v2")
    )
    with hire(conninfo, MemoryLedger(HISTORY), later) as worker:
        assert worker.position == 0
        worker.take(HISTORY[:1], NOW)
    assert checkpoints(conninfo) == {"words_v1": 4, "words_v2": 1}
    assert states(conninfo)[customer(1)][0] == 4
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("TABLE read.progress").fetchall() == [("words", 4)]


@given(
    days=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40)), min_size=1, max_size=30),
    cuts=st.sets(st.integers(1, 30)),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_however_facts_are_cut_into_batches_and_arrive_the_rows_equal_a_fresh_fold(
    conninfo: str, days: Sequence[tuple[int, int]], cuts: set[int]
) -> None:
    facts = [said(at, who, f"w{at}", day) for at, (who, day) in enumerate(days, start=1)]
    with psycopg.connect(conninfo) as connection:
        connection.execute("DROP TABLE IF EXISTS read.words_v1 CASCADE")
        connection.execute("DELETE FROM read.checkpoints")
        connection.execute("DELETE FROM read.versions")
    with hire(conninfo, MemoryLedger(facts), words()) as worker:
        for batch in _cut(facts, cuts):
            worker.take(batch, NOW)
    expected: dict[UUID, list[Fact]] = {}
    for fact in sorted(facts, key=lambda fact: fact.order):
        expected.setdefault(fact.stream, []).append(fact)
    assert {stream: row[1] for stream, row in states(conninfo).items()} == {
        stream: " ".join(f"{fact.occurred_at:%j}:{fact.data['word']}" for fact in told)
        for stream, told in expected.items()
    }


def _cut(facts: Sequence[Fact], cuts: set[int]) -> list[Sequence[Fact]]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(facts)), len(facts)]
    return [facts[a:b] for a, b in pairwise(edges)]


def test_a_long_fold_is_not_cut_off_by_a_limit_on_idle_transactions(conninfo: str) -> None:
    limited = session_conninfo(conninfo, "test")
    with hire(limited, MemoryLedger(HISTORY)) as worker:
        row = worker.connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert row == ("0",)


def test_late_histories_are_recalled_a_bounded_number_at_a_time(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "RECALLED_TOGETHER", 2)
    first = [said(number, number, "new", 2) for number in range(1, 6)]
    late = [said(number + 5, number, "old", 1) for number in range(1, 6)]
    ledger = MemoryLedger([*first, *late])
    with hire(conninfo, ledger, words()) as worker:
        worker.take(first, NOW)
        worker.take(late, NOW)
    assert max(len(asked) for asked in ledger.asked) == 2
    assert len(states(conninfo)) == 5
    assert all(row[1].endswith(":new") for row in states(conninfo).values())
