"""What the projections propose becomes an event, once, and stops no other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson

from infra.plumbing.ledger.feed import LedgerFeed
from services.command.proposals import SOURCE
from tests.services.command.house import complaint

if TYPE_CHECKING:
    from tests.services.command.house import House

WAIT = 10
SIGNAL = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
_INSERT = b"""
INSERT INTO outbox.proposals (id, stream, type, occurred_at, data) VALUES (%s, %s, %s, %s, %s)
"""


def customer(house: House) -> UUID:
    """A customer who exists."""
    return UUID(house.post(complaint()).json()["customer"])


def propose(house: House, stream: UUID, **changes: Any) -> str:
    """Propose that a signal be raised; the proposal's id."""
    data = {
        "signal_id": SIGNAL,
        "kind": "silence",
        "reason": "No purchase for 90 days.",
        "due_at": "2026-02-01T00:00:00Z",
        "contributing": ["c-1"],
        "playbook": "win_back_call",
        "policy_version": "default-1",
    } | changes.get("data", {})
    event_id = changes.get("id", f"{SIGNAL}/raised")
    row = (
        event_id,
        stream,
        changes.get("type", "churn_signal.raised"),
        changes.get("occurred_at", "2026-02-01T00:00:00Z"),
        changes.get("raw", orjson.dumps(data)),
    )
    with house.pool.connection() as connection:
        connection.execute(_INSERT, row)
    return event_id


def waiting(house: House) -> list[str]:
    """Ids of proposals that are not recorded."""
    return [
        row[0] for row in house.rows(b"SELECT id FROM outbox.proposals WHERE recorded_at IS NULL")
    ]


def refused(house: House) -> dict[str, str]:
    """Refused proposals and why."""
    return dict(house.rows(b"SELECT id, reason FROM ops.refused_proposals"))


def test_a_proposal_becomes_an_event_of_its_customer(house: House) -> None:
    stream = customer(house)
    event_id = propose(house, stream)

    assert house.service.proposals.once() == 1

    [_, fact] = house.ledger.history(stream)
    assert (fact.source, fact.event_id, fact.type) == (SOURCE, event_id, "churn_signal.raised")
    assert fact.data["reason"] == "No purchase for 90 days."
    assert waiting(house) == []
    assert house.service.proposals.once() == 0


def test_a_proposal_recorded_but_not_marked_is_recorded_once(house: House) -> None:
    stream = customer(house)
    propose(house, stream)
    house.service.proposals.once()
    with house.pool.connection() as connection:
        connection.execute(b"UPDATE outbox.proposals SET recorded_at = NULL")

    assert house.service.proposals.once() == 1

    assert house.ledger.size() == 2
    assert waiting(house) == []


def test_a_proposal_that_can_never_be_recorded_is_put_aside_and_stops_no_other(
    house: House,
) -> None:
    stream = customer(house)
    propose(house, stream, id="wrong/raised", data={"signal_id": "no uuid"})
    propose(house, stream, id="unknown/raised", type="churn_signal.shouted")
    propose(house, uuid4(), id="nobody/raised")
    propose(house, stream, id="broken/raised", raw=b"{")
    good = propose(house, stream)

    assert house.service.proposals.once() == 5

    assert [fact.event_id for fact in house.ledger.facts_after(1)] == [good]
    assert {each: reason.split()[0] for each, reason in refused(house).items()} == {
        "wrong/raised": "/data/signal_id",
        "unknown/raised": "/type",
        "nobody/raised": "/subject",
        "broken/raised": "/data",
    }
    assert house.service.proposals.once() == 0


def test_the_loop_records_what_comes_and_ends_when_told(house: House, conninfo: str) -> None:
    stream = customer(house)
    stop = threading.Event()
    loop = threading.Thread(target=house.service.run_proposals, args=(stop,))
    loop.start()
    try:
        event_id = propose(house, stream)
        batches = LedgerFeed(house.ledger, conninfo).batches(1, 10, stop)
        [fact] = next(facts for facts in batches if facts)
    finally:
        stop.set()
        loop.join(WAIT)

    assert fact.event_id == event_id
    assert not loop.is_alive()


def test_the_loop_ends_when_the_program_stops_taking_events(house: House) -> None:
    propose(house, customer(house))
    house.service.close()

    house.service.run_proposals(threading.Event())

    assert waiting(house) == [f"{SIGNAL}/raised"]
