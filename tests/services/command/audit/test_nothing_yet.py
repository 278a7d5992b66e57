"""A history as of a size before the customer's first event is empty, and that is proved."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from infra.plumbing.ledger.merkle import verify_consistency
from infra.plumbing.ledger.tiles import TileWriter
from services.command.audit.history import check_event, check_nothing_yet
from tests.services.command.audit.desk import bare, shown_of
from tests.services.command.audit.test_history import ADA, BOB, log

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from tests.services.command.audit.desk import Desk


def proved(told: dict[str, Any], root: bytes) -> bool:
    """Whether the answer shows, under the trusted `root`, that nothing was recorded yet."""
    begins, customer = told["begins"], UUID(told["customer"])
    later, hashes = b64decode(begins["root"]), [b64decode(each) for each in begins["consistency"]]
    shown = shown_of(begins["event"])
    return (
        verify_consistency(told["size"], begins["size"], root, later, hashes)
        and check_event(shown, begins["size"], later) == []
        and check_nothing_yet(shown, customer, told["size"]) == []
    )


def test_a_size_before_the_first_event_is_answered_with_a_proof_that_there_was_none(
    desk: Desk,
) -> None:
    for number in range(3):
        desk.send(number, "crm:other")
    customer = desk.send(9)["customer"]
    for size in range(4):
        told = desk.json("customers/crm:4711", {"size": size})
        assert (told["events"], told["findings"], told["size"]) == ([], [], size)
        assert told["customer"] == customer
        assert b64decode(told["root"]) == desk.root(size)
        assert told["begins"]["event"]["position"] == 4
        assert proved(told, desk.root(size))
    assert "begins" not in desk.json("customers/crm:4711", {"size": 4})


def test_such_a_read_is_recorded_too(desk: Desk) -> None:
    desk.send(1)
    desk.json("customers/crm:4711", {"size": 0})
    types = [event["type"] for event in desk.json("customers/crm:4711")["events"]]
    assert types == ["complaint.opened", "audit.read", "audit.read"]


def test_a_first_event_that_is_gone_is_not_taken_for_nothing_yet(
    desk: Desk, intruder: Connection[Any]
) -> None:
    """Its leaf still stands in a tile, so the ledger can prove the next event."""
    customer = UUID(desk.send(0)["customer"])
    desk.house.ledger.append([bare(customer) for _ in range(299)])
    while TileWriter(desk.house.pool).once():
        pass
    intruder.execute(b"DELETE FROM ledger.rows WHERE position = 1")
    told = desk.json(f"customers/{customer}", {"size": 1})
    assert (told["events"], told["begins"]["event"]["position"]) == ([], 2)
    words = "Events were recorded before position 2."
    assert words in [each["words"] for each in told["findings"]]
    assert not proved(told, b64decode(told["root"]))


def test_only_a_customers_own_first_event_behind_the_size_speaks_for_nothing_yet() -> None:
    first, second = log().shown[ADA][:2]
    assert check_nothing_yet(first, ADA, first.position - 1) == []
    assert check_nothing_yet(first, ADA, first.position)
    assert check_nothing_yet(second, ADA, first.position - 1)
    assert check_nothing_yet(first, BOB, first.position - 1)
    assert check_nothing_yet(replace(first, header=b"x"), ADA, 0)
