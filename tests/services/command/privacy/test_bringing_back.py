"""One event that cannot be recorded keeps nothing else back when its person is released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog

from events.catalog import Catalog
from services.command.privacy.routes import build_router
from services.command.service import CommandService
from tests.services.command.house import NOW, complaint
from tests.services.command.privacy.office import ADA, Office, about_ada, bodies, statuses

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.services.command.house import House

WORD = {"type": "string", "description": "A word.", "maxLength": 50}
LOCK = {"key": "k-1", "sealed": "yes"}
SCHEMA: dict[str, Any] = {
    "title": "Lock changed",
    "description": "A lock.",
    "x-sentence": "Changed the lock.",
    "x-retention-class": "conversation",
    "properties": {
        "lock": {
            "type": "object",
            "description": "The lock.",
            "properties": {"key": WORD, "sealed": WORD},
            "additionalProperties": False,
        }
    },
    "required": ["lock"],
    "additionalProperties": False,
    "examples": [{"lock": LOCK}, {"lock": {"key": "k-2", "sealed": "no"}}],
}
"""A sender's own type, whose values have the names of a sealed value's members."""


@pytest.fixture
def with_locks(house: House, tmp_path: Path) -> Generator[Office]:
    folder = tmp_path / "schemas" / "locks" / "lock.changed"
    folder.mkdir(parents=True)
    (folder / "1-0-0.json").write_bytes(orjson.dumps(SCHEMA))
    with CommandService(
        ledger=house.ledger,
        vault=house.vault,
        pool=house.pool,
        master=house.master,
        catalog=Catalog.load(tmp_path / "schemas"),
        clock=lambda: NOW,
    ) as service:
        built = house.over(service)
        built.app.include_router(build_router(service.privacy))
        built.keys["privacy"] = built.key("privacy")
        yield Office(built)


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {each["store"]: each["count"] for each in told["stores"]}


def test_an_event_with_members_called_key_and_sealed_comes_back_as_it_was_sent(
    with_locks: Office,
) -> None:
    with_locks.done("suppress", ADA)
    event = complaint(id="l-1", subject=ADA, type="lock.changed", data={"lock": LOCK})
    assert statuses(with_locks, event) == ["quarantined"]

    assert counts(with_locks.done("release", ADA))["ops.quarantine"] == 1

    ada = with_locks.house.vault.find(ADA)
    assert ada is not None
    assert [each["data"]["lock"] for each in bodies(with_locks.house, ada)] == [LOCK]


def test_an_event_that_fails_by_our_fault_stays_alone_when_its_person_is_released(
    office: Office,
) -> None:
    office.done("suppress", ADA)
    withheld = [about_ada(f"c-{n}") for n in range(3)]
    assert statuses(office, *withheld) == ["quarantined"] * 3
    with office.house.pool.connection() as connection:
        connection.execute(b"UPDATE ops.quarantine SET body = '{' WHERE event_id = 'c-1'")

    with structlog.testing.capture_logs() as logged:
        told = counts(office.done("release", ADA))

    assert (told["ops.quarantine"], told["left in ops.quarantine"]) == (2, 1)
    assert [fact.event_id for fact in office.house.ledger.facts_after(0)] == ["c-0", "c-2"]
    rows = office.house.rows(b"SELECT event_id, reason FROM ops.quarantine")
    assert rows == [("c-1", "fault")]
    assert "quarantine_replay_failed" in [line["event"] for line in logged]
