"""Reads of the platform's own stream stand in it; a poll or a crawl of it comes to an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from events.catalog import catalog
from events.facts import PLATFORM
from infra.plumbing.ledger.platform import platform_event
from services.command.audit.routes import build_router
from services.command.audit.service import Audit
from tests.services.command.house import NOW

if TYPE_CHECKING:
    from tests.services.command.audit.desk import Desk

OWN = f"customers/{PLATFORM}"


def exported(desk: Desk) -> None:
    told = {"size": 0, "reader": "root"}
    desk.house.ledger.append([platform_event("log.exported", "export/1", NOW, told)])


def reads(desk: Desk) -> list[dict[str, Any]]:
    rows = desk.house.rows(
        b"SELECT stream, schema, body FROM ledger.events WHERE type = 'audit.read'"
        b" ORDER BY position"
    )
    for stream, schema, body in rows:
        assert stream == PLATFORM
        assert catalog().check("audit.read", schema, orjson.loads(bytes(body))["data"]) == []
    return [orjson.loads(bytes(body))["data"] for _, _, body in rows]


def test_a_read_of_the_platforms_own_stream_is_recorded_in_it_before_it_is_answered(
    desk: Desk,
) -> None:
    exported(desk)
    told = desk.json(OWN, {"purpose": "To see who exported"})
    assert [event["type"] for event in told["events"]] == ["log.exported", "audit.read"]
    assert told["findings"] == []
    desk.json("events/1", role="privacy")
    key, officer = (desk.house.keys[role].split("_")[2] for role in ("auditor", "privacy"))
    assert reads(desk) == [
        {"what": "history", "reader": "auditor", "key": key, "opened": False},
        {"what": "event", "reader": "privacy", "key": officer, "opened": False},
    ]


def test_who_polls_or_crawls_it_leaves_one_event_a_day_for_each_kind_of_read(desk: Desk) -> None:
    exported(desk)
    for _ in range(3):
        desk.json(OWN)
    position = 1
    while desk.ask(f"events/{position}").status_code == 200:  # whatever its own reads add
        position += 1
        assert position < 10, "a crawl that meets its own reads has no end"
    assert [each["what"] for each in reads(desk)] == ["history", "event"]


def test_another_day_and_another_key_are_told_again(desk: Desk) -> None:
    exported(desk)
    desk.json(OWN)
    desk.json(OWN, role="privacy")
    house = desk.house
    tomorrow = Audit(
        house.ledger,
        house.vault,
        house.service.recorder,
        catalog(),
        lambda: NOW + timedelta(days=1),
    )
    house.app.router.routes.clear()
    house.app.include_router(build_router(tomorrow))
    desk.json(OWN)
    assert [each["reader"] for each in reads(desk)] == ["auditor", "privacy", "auditor"]


def test_a_read_of_it_that_cannot_be_recorded_just_now_is_not_shown(desk: Desk) -> None:
    exported(desk)
    desk.house.ledger.close()
    assert desk.ask(OWN).status_code == 503
