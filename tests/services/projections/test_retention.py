"""What a read model makes of an event whose body was dropped: it happened, and no more is known."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from events.catalog import catalog
from events.facts import Fact
from events.retention import cutoffs
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.retention import sweep
from services.projections.discovery import find_read_models
from services.projections.read_model import StateModel
from services.projections.service import run_worker
from services.projections.worker import Worker
from tests.services.projections.house import NOW, complaint
from tests.services.projections.test_live_equals_fresh import digests, fold_afresh, fold_on, history

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from services.projections.read_model import ReadModel

LATER = datetime(2028, 9, 1, tzinfo=UTC)
"""Of the events of 2024 and 2025 some are past their retention by then, and some are not."""
TYPES = [*((kind.type, kind.version) for kind in catalog().types()), ("custom.happened", "1-0-0")]
MODELS = [found.model for found in find_read_models()]


class AtItsEnd:
    """A feed without news, which ends the worker after its second look."""

    def batches(self, after: int, limit: int, stop: Event) -> Generator[list[Fact]]:
        assert after == 600
        assert limit > 0
        for _ in range(2):
            yield []
        stop.set()


@pytest.fixture
def ledger(conninfo: str) -> Generator[Ledger]:
    """A folded ledger of many customers' events."""
    with Ledger.open(conninfo) as opened:
        opened.append(history(600, 30, seed=7))
        fold_afresh(conninfo, opened)
        yield opened


def drop(owner_conninfo: str, now: datetime = LATER) -> int:
    with psycopg.connect(owner_conninfo, autocommit=True) as owner:
        *_, last = sweep(owner, cutoffs(catalog().types(), now), drop=True, part=100)
    return last.dropped


def emptied(kind: str, version: str) -> Fact:
    return Fact(1, uuid4(), 1, "shop", "e-1", kind, version, NOW, NOW, {})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_read_model_takes_every_type_without_its_body(model: ReadModel) -> None:
    for kind, version in TYPES:
        fact = emptied(kind, version)
        if not isinstance(model, StateModel):
            assert model.row(fact) is not None
            continue
        state = model.step(model.start(), fact)
        assert model.unpack(model.pack(state)) == state
        for figure in model.columns.values():
            figure(state)
        if model.timers:
            assert isinstance(dict(model.timers(state)), dict)


def test_the_timeline_tells_that_it_happened_and_nothing_of_what() -> None:
    assert catalog().sentence(emptied("complaint.opened", "1-0-0")) == "Complaint opened."


def test_after_dropping_the_read_models_equal_a_fresh_fold_of_what_is_left(
    conninfo: str, owner_conninfo: str, ledger: Ledger
) -> None:
    before = digests(conninfo)
    assert 0 < drop(owner_conninfo) < 600
    assert digests(conninfo) == before
    worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
    assert worker is not None
    with worker:
        rounds = list(_rounds(worker, 7))
    after = digests(conninfo)
    assert sum(rounds) > 7
    assert after != before
    assert after["checkpoints"] == before["checkpoints"]
    fold_afresh(conninfo, ledger)
    assert digests(conninfo) == after


def _rounds(worker: Worker, limit: int) -> Iterable[int]:
    while done := worker.refold_removed(limit):
        yield done


def test_what_the_worker_remembers_of_a_customer_is_folded_anew_too(
    conninfo: str, owner_conninfo: str
) -> None:
    told = history(600, 30, seed=7)
    with Ledger.open(conninfo) as ledger:
        worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
        assert worker is not None
        with worker:
            ledger.append(told[:500])
            worker.take(ledger.facts_after(0), NOW)
            assert drop(owner_conninfo)
            assert list(_rounds(worker, 500))
            ledger.append(told[500:])
            worker.take(ledger.facts_after(500), NOW)
        after = digests(conninfo)
        fold_afresh(conninfo, ledger)
    assert digests(conninfo) == after


def test_a_running_worker_sees_by_itself_what_was_dropped(
    conninfo: str, owner_conninfo: str, ledger: Ledger
) -> None:
    assert drop(owner_conninfo)
    run_worker(conninfo, find_read_models(), ledger, AtItsEnd(), Event(), lambda: NOW)
    after = digests(conninfo)
    fold_on(conninfo, ledger, 1000)
    fold_afresh(conninfo, ledger)
    assert digests(conninfo) == after


def test_a_timer_that_rested_on_a_dropped_body_goes_with_it(
    conninfo: str, owner_conninfo: str
) -> None:
    fresh = complaint(uuid4(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}")
    with (
        psycopg.connect(conninfo, autocommit=True) as reader,
        Ledger.open(conninfo) as ledger,
    ):
        ledger.append([fresh])
        worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
        assert worker is not None
        with worker:
            worker.take(ledger.facts_after(0), NOW)
            timers = "SELECT kind FROM read.timers"
            assert reader.execute(timers).fetchall() == [("complaint_unresolved",)]
            drop(owner_conninfo, datetime(2040, 1, 1, tzinfo=UTC))
            assert list(_rounds(worker, 500)) == [1]
        assert reader.execute(timers).fetchall() == []


def test_no_word_of_a_dropped_body_is_left_in_the_timeline(
    conninfo: str, owner_conninfo: str, ledger: Ledger
) -> None:
    query = "SELECT sentence FROM read.customer_timeline WHERE type = 'complaint.opened'"
    with psycopg.connect(conninfo, autocommit=True) as reader:
        told = {sentence for (sentence,) in reader.execute(query.encode())}
        assert told != {"Complaint opened."}
        drop(owner_conninfo, datetime(2040, 1, 1, tzinfo=UTC))
        worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
        assert worker is not None
        with worker:
            list(_rounds(worker, 500))
        assert {sentence for (sentence,) in reader.execute(query.encode())} == {"Complaint opened."}
