"""Proposals that cannot be recorded just now: they stay, and the loop goes on."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from events.catalog import catalog
from infra.plumbing.ledger.feed import LedgerFeed
from infra.plumbing.ledger.recorder import LedgerBusy
from services.command.gather import Overloaded
from services.command.proposals import Proposals
from services.command.service import NOT_NOW
from tests.services.command.house import NOW
from tests.services.command.test_proposals import customer, propose, refused, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.command.intake import Accepted
    from services.command.record import Answer
    from tests.services.command.house import House

WAIT = 10
IN_TRANSACTION = b"""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in tr%'
"""


class Desk:
    """Records what is submitted at once, after failing as often as told."""

    def __init__(self, house: House, *faults: Exception, hand_over: bool = True) -> None:
        self.house = house
        self.faults = list(faults)
        self.hand_over = hand_over
        self.open_transactions: list[int] = []

    def submit(self, items: Sequence[Accepted]) -> Future[list[Answer]]:
        """A future that is done; a fault is handed over in it, or raised."""
        self.open_transactions.append(self.house.rows(IN_TRANSACTION)[0][0])
        future = Future["list[Answer]"]()
        if self.faults:
            fault = self.faults.pop(0)
            if not self.hand_over:
                raise fault
            future.set_exception(fault)
        else:
            future.set_result(self.house.service.recorder.record(items))
        return future

    def proposals(self, ahead_by: timedelta = timedelta(0)) -> Proposals:
        """A loop over this desk that looks at once again at what waits."""
        return Proposals(
            self.house.pool,
            self.submit,
            catalog(),
            NOT_NOW,
            lambda: NOW + ahead_by,
            later_seconds=0,
        )


def test_no_transaction_is_open_while_the_recording_is_waited_for(house: House) -> None:
    desk = Desk(house)
    propose(house, customer(house))

    assert desk.proposals().once() == 1

    assert desk.open_transactions == [0]


@pytest.mark.parametrize(
    "fault",
    [
        LedgerBusy(),
        PoolTimeout(),
        TimeoutError(),
        psycopg.OperationalError(),
        psycopg.errors.IdleInTransactionSessionTimeout(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_busy_ledger_refuses_no_proposal(house: House, fault: Exception) -> None:
    stream = customer(house)
    held = propose(house, stream, id="first/raised")
    propose(house, stream, id="second/raised")
    proposals = Desk(house, fault).proposals()

    with pytest.raises(type(fault)):
        proposals.once()
    assert (waiting(house), refused(house)) == ([held], {})

    assert proposals.once() == 1
    assert waiting(house) == []


def test_an_overfull_intake_refuses_no_proposal_and_keeps_none_of_the_others(house: House) -> None:
    stream = customer(house)
    held = propose(house, stream, id="first/raised")
    propose(house, stream, id="second/raised")
    proposals = Desk(house, Overloaded(), hand_over=False).proposals()

    with pytest.raises(Overloaded):
        proposals.once()
    assert (waiting(house), refused(house)) == ([held], {})


def test_an_unforeseen_fault_of_one_proposal_refuses_none_and_stops_none(house: House) -> None:
    stream = customer(house)
    held = propose(house, stream, id="first/raised")
    propose(house, stream, id="second/raised")

    assert Desk(house, ValueError()).proposals().once() == 1

    assert (waiting(house), refused(house)) == ([held], {})


@pytest.mark.parametrize(
    "fault",
    [
        LedgerBusy(),
        Overloaded(),
        PoolTimeout(),
        psycopg.errors.IdleInTransactionSessionTimeout(),
        psycopg.errors.InFailedSqlTransaction(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_the_loop_outlives_a_database_that_is_away(
    house: House, conninfo: str, fault: Exception
) -> None:
    stop = threading.Event()
    event_id = propose(house, customer(house))
    raised = Desk(house, fault, hand_over=False).proposals()
    loop = threading.Thread(target=raised.run, args=(stop,))
    loop.start()
    try:
        batches = LedgerFeed(house.ledger, conninfo).batches(1, 10, stop)
        [fact] = next(facts for facts in batches if facts)
    finally:
        stop.set()
        loop.join(WAIT)

    assert fact.event_id == event_id
    assert refused(house) == {}


def test_a_proposal_ahead_of_our_clock_waits_and_is_recorded_in_its_time(house: House) -> None:
    early = propose(house, customer(house), occurred_at=NOW.isoformat())
    desk = Desk(house)

    assert desk.proposals(timedelta(minutes=-6)).once() == 0
    assert (waiting(house), refused(house)) == ([early], {})
    assert house.rows(b"SELECT event_id FROM ops.quarantine") == []

    assert desk.proposals().once() == 1
    assert waiting(house) == []


def test_what_waits_is_left_alone_for_a_while_and_holds_up_no_other(house: House) -> None:
    stream = customer(house)
    early = propose(house, stream, id="early/raised", occurred_at="2027-01-01T00:00:00Z")
    assert house.service.proposals.once() == 0
    good = propose(house, stream)

    assert house.service.proposals.once() == 1

    assert [fact.event_id for fact in house.ledger.facts_after(1)] == [good]
    assert (waiting(house), refused(house)) == ([early], {})


def test_a_proposal_about_a_customer_being_erased_waits(
    house: House, intruder: psycopg.Connection[Any]
) -> None:
    stream = customer(house)
    event_id = propose(house, stream)
    with house.pool.connection() as connection:
        connection.execute(b"INSERT INTO vault.fences (stream) VALUES (%s)", (stream,))
    proposals = Desk(house).proposals()

    assert proposals.once() == 0
    assert (waiting(house), refused(house)) == ([event_id], {})

    intruder.execute(b"DELETE FROM vault.fences")
    assert proposals.once() == 1
