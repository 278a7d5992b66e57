"""The pages over the real path: events in over HTTP, folded by the real worker, then drawn."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from infra.plumbing.access import create_key, create_login_token
from rapport.running.house import open_house
from rapport.running.serve import build_app, command_service, projection_service

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.settings import Settings
    from services.projections.service import ProjectionService

ADDRESS = "http://testserver"
FOLDED_SECONDS = 60
NOW = datetime.now(UTC)


def event(number: int, kind: str, days_ago: float, data: dict[str, Any], source: str) -> Any:
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": source,
        "type": kind,
        "time": (NOW - timedelta(days=days_ago)).isoformat(),
        "subject": "email:ada@example.org",
        "data": data,
    }


def purchase(number: int, days_ago: float) -> Any:
    price = {"amount": "40.00", "currency": "GBP"}
    item = {"sku": "s1", "category": "gifts", "quantity": 1, "unit_price": price}
    data = {"order_id": f"o-{number}", "total": price, "items": [item]}
    return event(number, "purchase.completed", days_ago, data, "shop")


def complaint(number: int, days_ago: float) -> Any:
    data = {"complaint_id": "c-1", "about": "delivery", "severity": "high", "channel": "phone"}
    return event(number, "complaint.opened", days_ago, data, "simulator/sample-1")


@contextmanager
def working(service: ProjectionService) -> Generator[None]:
    """The real worker, until the block ends."""
    stop = Event()
    thread = Thread(target=service.run_worker, args=[stop], name="worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def client(settings: Settings) -> Generator[TestClient]:
    """Somebody signed in to a platform that has folded one customer's history."""
    with open_house(settings, what="pages") as house, command_service(house) as command:
        service = projection_service(house)
        app = build_app(house, command=command, projections=service)
        with house.vault_pool.connection() as conn:
            key = create_key(conn, "admin").key
            token = create_login_token(conn, "marketer")
        with TestClient(app, base_url=ADDRESS, follow_redirects=False) as asking, working(service):
            events = [*(purchase(n, 20 + 30 * n) for n in range(8)), complaint(9, 5)]
            sent = asking.post(
                "/v1/events",
                json=events,
                headers={
                    "Authorization": f"Bearer {key}",
                    "Content-Type": "application/cloudevents-batch+json",
                },
            )
            assert sent.status_code == 200, sent.text
            wait_until_folded(service, len(events))
            assert asking.get("/login", params={"token": token}).status_code == 303
            yield asking


def wait_until_folded(service: ProjectionService, least: int) -> None:
    until = time.monotonic() + FOLDED_SECONDS
    while service.answers.progress()["position"] < least:
        assert time.monotonic() < until, service.answers.progress()
        time.sleep(0.02)


def test_a_customer_goes_from_events_to_both_pages(client: TestClient) -> None:
    portfolio = client.get("/").text
    assert "<dt>Customers</dt><dd>1</dd>" in portfolio
    assert "The figures of 1 customer rest partly on" in portfolio
    assert "£320.00" in portfolio

    found = client.post(
        "/search", data={"ref": "email:Ada@example.org"}, headers={"Origin": ADDRESS}
    )
    assert found.status_code == 303
    page = client.get(found.headers["location"]).text
    assert "exactly the score shown above" in page
    assert "default/1" in page
    assert 'tag-simulated">simulated' in page
    assert "simulator/sample-1" in page
    assert "Unknown is not zero." in page
    assert "ada@example.org" not in page
    assert client.get(f"{found.headers['location']}?cursor=foreign").status_code == 422


def test_before_the_first_event_the_customer_has_no_score_and_nothing_happened(
    client: TestClient,
) -> None:
    found = client.post(
        "/search",
        data={"ref": "email:ada@example.org", "as_of": "2001-01-01"},
        headers={"Origin": ADDRESS},
    )
    page = client.get(found.headers["location"]).text
    assert "Not known" in page
    assert "Nothing had happened with this customer by then." in page
    assert "Nobody to show for this day yet" in client.get("/?as_of=2001-01-01").text
