"""From an event over HTTP to a score, its explanation, a signal and an alert."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2
    from conftest import Platform

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's example
SOON_SECONDS = 30


def event(kind: str, days_ago: float, data: dict[str, Any], event_id: str = "") -> dict[str, Any]:
    when = datetime.now(UTC) - timedelta(days=days_ago)
    return {
        "specversion": "1.0",
        "id": event_id or uuid4().hex,
        "source": "shop",
        "type": kind,
        "time": when.isoformat(),
        "subject": "crm:ada",
        "data": data,
    }


def purchase(order: str, days_ago: float) -> dict[str, Any]:
    total = {"amount": "40.00", "currency": "GBP"}
    item = {"sku": "s1", "category": "gifts", "quantity": 2}
    item["unit_price"] = {"amount": "20.00", "currency": "GBP"}  # pyright: ignore[reportArgumentType] - JSON
    return event(
        "purchase.completed", days_ago, {"order_id": order, "total": total, "items": [item]}
    )


def complaint(days_ago: float) -> dict[str, Any]:
    data = {"complaint_id": "c-1", "about": "delivery", "severity": "high", "channel": "phone"}
    return event("complaint.opened", days_ago, {**data, "text": "canary: it never came"})


class Sink(ThreadingHTTPServer):
    """A webhook receiver that keeps what it got."""

    got: list[tuple[dict[str, str], bytes]]


@pytest.fixture
def sink() -> Iterator[Sink]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Quiet."""

    server = Sink(("127.0.0.1", 0), Receiver)
    server.got = []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def post(client: httpx2.Client, told: dict[str, Any]) -> dict[str, Any]:
    """Store one event; the answer."""
    answer = client.post(
        "/v1/events",
        content=json.dumps(told),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(client: httpx2.Client, path: str, position: int) -> dict[str, Any]:
    """Read what must include everything up to `position`."""
    answer = client.get(path, params={"min_position": str(position)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_complaint_lowers_health_says_why_and_raises_an_alert(
    platform: Platform, sink: Sink
) -> None:
    platform.settings = {
        "RAPPORT_WEBHOOK_URL": f"http://127.0.0.1:{sink.server_address[1]}/alerts",
        "RAPPORT_WEBHOOK_SECRET": SECRET,
    }
    platform.start()
    with platform.client("emitter", "shop") as emitter, platform.client("marketer") as marketer:
        stored = [post(emitter, purchase(f"o-{days}", days)) for days in (200, 140, 75, 12)]
        assert [each["status"] for each in stored] == ["stored"] * 4
        assert [each["position"] for each in stored] == [1, 2, 3, 4]
        before = read(marketer, "/v1/customers/crm:ada/health", 4)
        told = post(emitter, complaint(4))
        after = read(marketer, "/v1/customers/crm:ada/health", told["position"])
        assert Decimal(str(after["value"])) < Decimal(str(before["value"]))

        why = read(marketer, "/v1/customers/crm:ada/health/explain", told["position"])
        points = [Decimal(line["points"]) for line in why["contributions"]]
        assert sum(points) == Decimal(str(why["value"]))
        assert any(line["type"] == "complaint.opened" for line in why["contributions"])

        timeline = read(marketer, f"/v1/customers/{told['customer']}/timeline", told["position"])
        assert "canary" not in json.dumps(timeline)

        headers, body = _first_alert(sink)
        sent = Webhook(SECRET).verify(body.decode(), headers)
        assert sent["data"]["kind"] == "complaint_unresolved"
        signals = read(marketer, "/v1/customers/crm:ada/signals", told["position"] + 1)
        assert [each["kind"] for each in signals["items"]] == ["complaint_unresolved"]
    assert platform.stop() == 0
    assert any("complaint" in line for line in platform.lines if not line.startswith("{"))


def _first_alert(sink: Sink) -> tuple[dict[str, str], bytes]:
    until = time.monotonic() + SOON_SECONDS
    while not sink.got:
        assert time.monotonic() < until, "no alert came"
        time.sleep(0.05)
    return sink.got[0]
