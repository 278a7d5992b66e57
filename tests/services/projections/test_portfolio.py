"""What the API answers about all customers: filters, stable order, pages, open signals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from events.catalog import catalog
from services.projections.timers import fire_due
from services.projections.worker import Worker
from tests.services.projections.house import NOW, complaint, new_event, purchase

if TYPE_CHECKING:
    from uuid import UUID

    from tests.services.projections.house import House


@pytest.fixture
def people(house: House) -> dict[str, UUID]:
    """Five customers: happy, angry, simulated, measured, and silent for long."""
    names = ("happy", "angry", "made-up", "measured", "silent")
    people = {name: house.person(f"crm:{name}") for name in names}
    for name, who in people.items():
        source = "simulator/sample-1" if name == "made-up" else "shop"
        year = 2011 if name == "silent" else 2026
        for day in (f"{year - 1}-11-01", f"{year - 1}-12-01", f"{year}-01-01", f"{year}-02-01"):
            house.record(purchase(who, day, source=source))
    house.record(complaint(people["angry"], "2026-02-02"))
    said = {"category": "gifts", "period": "2025-Q4", "total": {"amount": "80", "currency": "GBP"}}
    house.record(new_event(people["measured"], "wallet.stated", "2026-01-02", said))
    house.fold()
    return people


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


def test_the_list_tells_of_everyone_with_scores_and_masked_identifiers(
    house: House, people: dict[str, UUID]
) -> None:
    answer = house.read("/customers")
    assert set(ids(answer)) == {str(who) for who in people.values()}
    by_id = {item["id"]: item for item in answer["items"]}
    made_up = by_id[str(people["made-up"])]
    assert made_up["simulated"] is True
    assert made_up["identifiers"] == ["crm:•••"]
    assert by_id[str(people["measured"])]["wallet_share"]["value"] == 0.5
    assert by_id[str(people["happy"])]["simulated"] is False
    assert answer["next"] is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"share_above": 0.4}, {"measured"}),
        ({"share_below": 0.4}, set[str]()),
        ({"simulated": True}, {"made-up"}),
        ({"signal": "complaint_unresolved"}, {"angry"}),
        ({"signal": "silence"}, {"silent"}),
    ],
)
def test_the_list_can_be_narrowed(
    house: House, people: dict[str, UUID], filters: dict[str, Any], expected: set[str]
) -> None:
    assert set(ids(house.read("/customers", **filters))) == {str(people[name]) for name in expected}


def test_poor_health_is_found_by_a_bound(house: House, people: dict[str, UUID]) -> None:
    everyone = {item["id"]: item["health"]["value"] for item in house.read("/customers")["items"]}
    bound = everyone[str(people["happy"])]
    poor = set(ids(house.read("/customers", health_below=bound)))
    good = set(ids(house.read("/customers", health_above=bound)))
    assert poor == {who for who, value in everyone.items() if value < bound}
    assert good == {who for who, value in everyone.items() if value > bound}
    assert str(people["angry"]) in poor


@pytest.mark.parametrize("sort", ["-last_seen", "health", "-wallet_share", "spend", "-events"])
def test_pages_in_any_order_show_everyone_once(
    house: House, people: dict[str, UUID], sort: str
) -> None:
    whole = ids(house.read("/customers", sort=sort))
    paged: list[str] = []
    cursor: dict[str, str] = {}
    for _ in people:
        page = house.read("/customers", sort=sort, limit=2, **cursor)
        paged += ids(page)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    assert len(whole) == len(people)


def test_unknown_figures_stand_last_in_both_directions(
    house: House, people: dict[str, UUID]
) -> None:
    first = str(people["measured"])
    assert ids(house.read("/customers", sort="wallet_share"))[0] == first
    assert ids(house.read("/customers", sort="-wallet_share"))[0] == first


def test_a_cursor_of_another_order_and_an_unknown_order_are_refused(
    house: House, people: dict[str, UUID]
) -> None:
    cursor = house.read("/customers", limit=1)["next"]
    assert house.get("/customers", sort="health", cursor=cursor).status_code == 422
    assert house.get("/customers", sort="shoe_size").status_code == 422


def test_the_portfolio_at_an_earlier_instant_has_who_was_there_then(
    house: House, people: dict[str, UUID]
) -> None:
    answer = house.read("/portfolio", as_of="2011-06-01T00:00:00Z")
    assert ids(answer) == [str(people["silent"])]
    assert answer["summary"]["customers"] == 1
    now = house.read("/portfolio", limit=2)
    assert len(now["items"]) == 2
    assert now["summary"] == {
        "customers": 5,
        "scored": 5,
        "share_known": 1,
        "with_open_signals": 2,
        "simulated": 1,
    }


def test_another_reader_than_a_marketer_or_agent_sees_no_portfolio(
    house: House, people: dict[str, UUID]
) -> None:
    for path in ("/portfolio", "/customers", "/signals"):
        assert house.get(path, role="operator").status_code == 403


def test_pages_begin_at_the_last_day_with_purchases_if_that_is_long_ago(house: House) -> None:
    assert house.service.answers.suggested_as_of() is None
    house.record(purchase(house.person("crm:old"), "2011-12-09T12:50:00"))
    house.fold()
    suggested = house.service.answers.suggested_as_of()
    assert suggested is not None
    assert suggested.isoformat() == "2011-12-09T23:59:59+00:00"
    house.record(purchase(house.person("crm:new"), "2026-02-09"))
    house.fold()
    assert house.service.answers.suggested_as_of() is None


def test_one_purchase_today_does_not_move_the_pages_of_an_imported_history(house: House) -> None:
    old = [purchase(house.person(f"crm:{number}"), "2011-12-09") for number in range(101)]
    house.record(*old, purchase(house.person("crm:new"), "2026-02-09"))
    house.fold()
    suggested = house.service.answers.suggested_as_of()
    assert suggested is not None
    assert suggested.isoformat() == "2011-12-09T23:59:59+00:00"


def test_signals_of_everyone_tell_alerted_and_missed_apart(
    house: House, people: dict[str, UUID]
) -> None:
    assert house.read("/signals")["items"] == []
    never = house.read("/signals", alerted="any")["items"]
    assert {(item["customer"], item["kind"], item["missed"]) for item in never} == {
        (str(people["silent"]), "silence", True),
        (str(people["angry"]), "complaint_unresolved", True),
    }
    first = house.read("/signals", alerted="any", limit=1)
    second = house.read("/signals", alerted="any", limit=1, cursor=first["next"])
    assert first["items"] + second["items"] == never
    assert second["next"] is None


def test_open_signals_now_are_those_that_were_raised_and_not_cleared(
    house: House, people: dict[str, UUID]
) -> None:
    for name in ("silent", "happy"):
        data = {"signal_id": f"s-{name}", "kind": "silence", "due_at": "2026-02-05T00:00:00Z"}
        house.record(new_event(people[name], "churn_signal.raised", "2026-02-05", data))
    cleared = {"signal_id": "s-happy", "kind": "silence"}
    house.record(new_event(people["happy"], "churn_signal.cleared", "2026-02-20", cleared))
    house.fold()
    now = house.read("/signals")["items"]
    assert [(item["signal_id"], item["alerted"]) for item in now] == [("s-silent", True)]
    before = house.read("/signals", as_of="2026-02-10T00:00:00Z", kind="silence")["items"]
    assert {item["signal_id"] for item in before} == {"s-silent", "s-happy"}
    assert house.read("/signals", kind="promise_broken")["items"] == []


def test_progress_tells_what_is_recorded_and_what_is_folded(
    house: House, people: dict[str, UUID]
) -> None:
    folded = house.service.answers.position()
    house.record(purchase(people["happy"], "2026-02-20"))
    assert house.service.answers.progress() == {"position": folded, "recorded": folded + 1}


def test_scores_read_from_rows_equal_scores_folded_again(
    house: House, people: dict[str, UUID]
) -> None:
    rows = house.read("/customers", as_of=NOW.isoformat())
    known = house.read("/customers", as_of=NOW.isoformat(), known_at="2100-01-01T00:00:00Z")
    assert rows == known


def test_a_signal_due_is_proposed_raised_folded_and_listed(house: House) -> None:
    now = datetime.now(UTC)
    ada = house.person("crm:ada")
    house.record(complaint(ada, f"{now:%Y-%m-%dT%H:%M:%S}"))
    worker = Worker.hire(house.conninfo, house.service.found, house.ledger, Event())
    assert worker is not None
    with worker:
        worker.take(house.ledger.facts_after(0), now)
        assert fire_due(worker, now) == 0
        assert fire_due(worker, now + timedelta(days=5)) == 1
        [(name, kind, data)] = worker.connection.execute(
            "SELECT id, type, data FROM outbox.proposals"
        ).fetchall()
        proposed = orjson.loads(data)
        assert catalog().check(kind, None, proposed) == []
        at = proposed["due_at"].removesuffix("Z")
        house.record(new_event(ada, kind, at, proposed, event_id=name, source="rapport/signals"))
        worker.take(house.ledger.facts_after(1), now)
    [signal] = house.read("/signals", as_of=f"{now + timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}")[
        "items"
    ]
    assert (signal["customer"], signal["kind"]) == (str(ada), "complaint_unresolved")
    assert (signal["alerted"], signal["missed"]) == (True, False)
