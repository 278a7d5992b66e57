"""An event whose row no longer fits its leaf is shown with findings and opened to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.services.command.audit.desk import CANARY

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.services.command.audit.desk import Desk

PURPOSE = {"purpose": "Dispute about order 1"}
CRIMES = (
    "type = 'complaint.closed'",
    "source = 'other'",
    "occurred_at = occurred_at - interval '1 year'",
    "recorded_at = recorded_at - interval '1 second'",
    "body = 'x'",
    "body = replace(convert_from(body, 'UTF8'), 'delivery', 'checkout')::bytea",
    "body = NULL",
    "body = NULL, body_digest = sha256('x')",
    "leaf = sha256('x')",
)


def faults(told: dict[str, Any]) -> set[tuple[str, int]]:
    return {(each["fault"], each["position"]) for each in told["findings"]}


def test_a_sound_event_is_shown_without_findings(desk: Desk) -> None:
    desk.send(1)
    told = desk.json("events/1", PURPOSE)
    assert (told["findings"], told["opened"]["data"]["text"]) == ([], CANARY)


@pytest.mark.parametrize("crime", CRIMES)
def test_an_event_that_no_longer_fits_its_leaf_is_named_and_not_opened(
    desk: Desk, intruder: Connection[Any], crime: str
) -> None:
    desk.send(1)
    desk.send(2)
    intruder.execute(f"UPDATE ledger.rows SET {crime} WHERE position = 1".encode())
    told = desk.json("events/1", PURPOSE)
    assert ("changed", 1) in faults(told)
    assert "opened" not in told
    assert {"header", "leaf"} < set(told), "what is stored is shown all the same"


def test_an_event_and_a_history_name_the_same(desk: Desk, intruder: Connection[Any]) -> None:
    for number in range(3):
        desk.send(number)
    intruder.execute(b"UPDATE ledger.rows SET type = 'x' WHERE position = 2")
    [found] = desk.json("events/2")["findings"]
    history = desk.json("customers/crm:4711", PURPOSE)
    assert history["findings"] == [found]
    assert ["opened" in event for event in history["events"][:3]] == [True, False, True]


def test_a_row_made_to_fit_itself_is_named_by_the_tree(
    desk: Desk, intruder: Connection[Any]
) -> None:
    """Header, body and leaf agree; the tree in the head holds another leaf."""
    desk.send(1)
    desk.send(2)
    intruder.execute(
        b"UPDATE ledger.rows AS one SET stream_number = two.stream_number, version = 9,"
        b" source = two.source, event_id = 'z', type = two.type, body = two.body,"
        b" body_digest = two.body_digest"
        b" FROM ledger.rows AS two WHERE one.position = 1 AND two.position = 2"
    )
    told = desk.json("events/1")
    header, digest = told["header"], "SELECT sha256(body) FROM ledger.events WHERE position = 1"
    intruder.execute(
        f"UPDATE ledger.rows SET leaf = sha256('\\x00'::bytea || decode(%s, 'base64') ||"
        f" ({digest})) WHERE position = 1".encode(),
        (header,),
    )
    assert faults(desk.json("events/1")) == {("not-included", 1)}
