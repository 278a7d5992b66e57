"""Callers at the same time share a transaction; each gets its own answers, or its own failure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.ledger import group as group_module
from infra.plumbing.ledger.answers import Fenced, Stored
from infra.plumbing.ledger.errors import LedgerBusy, WrongVersion
from infra.plumbing.ledger.group import MAX_TOGETHER, MAX_WAITING, GroupCommit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import MakeEvent

    from infra.plumbing.ledger.answers import NewEvent, Outcome
    from infra.plumbing.ledger.ledger import Ledger

CALLERS = 32
EACH = 10


class Slow:
    """Work whose first round waits to be let go, so that others gather behind it."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.begun = Event()
        self.go = Event()
        self.broken = False

    def __call__(self, events: Sequence[NewEvent]) -> list[Outcome]:
        self.rounds.append(len(events))
        self.begun.set()
        assert self.go.wait(10)
        if self.broken and len(self.rounds) > 1:
            raise LedgerBusy
        return [Fenced(event.stream) for event in events]


def wait_until_waiting(group: GroupCommit, events: int) -> None:
    while group.waiting < events:
        Event().wait(0.001)


def gathered(
    slow: Slow, batches: Sequence[Sequence[NewEvent]], group: GroupCommit | None = None
) -> list[Any]:
    """The answers or failures of a first caller and of all who came while it was at work."""
    group = group or GroupCommit(slow)
    with ThreadPoolExecutor(len(batches)) as pool:
        calls = [pool.submit(group.append, batches[0])]
        assert slow.begun.wait(10)
        for number, batch in enumerate(batches[1:], start=1):
            calls.append(pool.submit(group.append, batch))
            wait_until_waiting(group, sum(len(each) for each in batches[1 : number + 1]))
        slow.go.set()
        return [call.exception(10) or call.result() for call in calls]


def test_who_comes_meanwhile_shares_the_next_round_and_gets_its_own_answers(
    make_event: MakeEvent,
) -> None:
    slow = Slow()
    batches = [[make_event() for _ in range(size)] for size in (1, 2, 3, 1)]
    answers = gathered(slow, batches)
    assert slow.rounds == [1, 6]
    for batch, answer in zip(batches, answers, strict=True):
        assert answer == [Fenced(event.stream) for event in batch]


def test_a_round_has_a_bound_and_no_batch_is_split(make_event: MakeEvent) -> None:
    slow = Slow()
    one = make_event()
    gathered(slow, [[one], [one] * MAX_TOGETHER, [one] * 600, [one] * 500, [one] * 400])
    assert slow.rounds == [1, MAX_TOGETHER, 600, 900]


def test_a_failed_round_fails_its_callers_and_nobody_else(make_event: MakeEvent) -> None:
    slow = Slow()
    slow.broken = True
    one = make_event()
    first, second, third = gathered(slow, [[one], [one], [one]])
    assert first == [Fenced(one.stream)]
    assert isinstance(second, LedgerBusy)
    assert isinstance(third, LedgerBusy)


def test_one_callers_own_failure_is_nobody_elses(make_event: MakeEvent) -> None:
    good, wrong, slow = make_event(), make_event(expected_version=7), Slow()

    def work(events: Sequence[NewEvent]) -> list[Outcome]:
        if wrong in events:
            raise WrongVersion(wrong.stream, 7, None)
        return slow(events)

    first, failed, third = gathered(slow, [[good], [wrong], [good]], GroupCommit(work))
    assert first == third == [Fenced(good.stream)]
    assert isinstance(failed, WrongVersion)
    assert slow.rounds == [1, 1]


def test_one_caller_after_many_waits_for_them_a_moment_only(make_event: MakeEvent) -> None:
    slow = Slow()
    one = make_event()
    group = GroupCommit(slow)
    gathered(slow, [[one]] * 5, group=group)
    assert slow.rounds == [1, 4]
    assert group.append([one]) == [Fenced(one.stream)]


def test_too_many_waiting_are_told_to_come_back(make_event: MakeEvent) -> None:
    slow = Slow()
    one = make_event()
    group = GroupCommit(slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.append, [one])
        assert slow.begun.wait(10)
        second = pool.submit(group.append, [one] * MAX_WAITING)
        wait_until_waiting(group, MAX_WAITING)
        with pytest.raises(LedgerBusy, match="Try again in a moment"):
            group.append([one])
        slow.go.set()
        assert (len(first.result(10)), len(second.result(10))) == (1, MAX_WAITING)


def test_too_many_bytes_waiting_are_told_to_come_back(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    one = make_event(text="x" * 500)
    monkeypatch.setattr(group_module, "MAX_WAITING_BYTES", 1200)
    group = GroupCommit(slow)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(group.append, [one])]
        assert slow.begun.wait(10)
        for waiting in (1, 2):
            calls.append(pool.submit(group.append, [one]))
            wait_until_waiting(group, waiting)
        with pytest.raises(LedgerBusy, match="Try again in a moment"):
            group.append([one])
        slow.go.set()
        assert [len(call.result(10)) for call in calls] == [1, 1, 1]


def test_a_caller_waits_for_a_turn_no_longer_than_its_patience(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    monkeypatch.setattr(group_module, "PATIENCE_SECONDS", 0.05)
    group = GroupCommit(slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(group.append, [make_event()])
        assert slow.begun.wait(10)
        with pytest.raises(LedgerBusy, match="waited too long"):
            group.append([make_event()])
        assert group.waiting == 0
        slow.go.set()
        assert len(first.result(10)) == 1
    assert len(group.append([make_event()])) == 1


def test_many_threads_share_transactions_in_the_real_ledger(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    def emit(_: int) -> list[Outcome]:
        return [outcome for _ in range(EACH) for outcome in ledger.append([make_event()])]

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [outcome for answer in pool.map(emit, range(CALLERS)) for outcome in answer]
    positions = {answer.receipt.position for answer in answers if isinstance(answer, Stored)}
    assert positions == set(range(1, CALLERS * EACH + 1))
    with ledger.recorder.datastore.get_connection() as connection:
        query = "SELECT count(DISTINCT xmin::text) AS transactions FROM ledger.rows"
        row = connection.execute(query).fetchone()
    assert row is not None
    assert 1 <= row["transactions"] < CALLERS * EACH / 2
