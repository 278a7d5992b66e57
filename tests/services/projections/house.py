"""What the tests of the answers share: a ledger with people in it, folded, and asked over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from threading import Event
from typing import TYPE_CHECKING, Any

import orjson

from events.identifiers import parse_identifier
from infra.plumbing.access import create_key
from infra.plumbing.ledger.answers import NewEvent, Stored
from services.projections.worker import Worker

if TYPE_CHECKING:
    from uuid import UUID

    from fastapi.testclient import TestClient
    from httpx2 import Response

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.vault import Vault
    from services.projections.service import ProjectionService

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def money(amount: str) -> dict[str, str]:
    """Pounds."""
    return {"amount": amount, "currency": "GBP"}


def new_event(  # noqa: PLR0913 - an event's parts, all by name
    stream: UUID,
    kind: str,
    at: str,
    data: dict[str, Any],
    *,
    event_id: str = "",
    source: str = "shop",
) -> NewEvent:
    """An event as the command service would append it."""
    occurred_at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    name = event_id or f"{kind}@{at}@{stream}"
    body = orjson.dumps({"id": name, "type": kind, "data": data}, option=orjson.OPT_SORT_KEYS)
    mac = sha256(body).digest()
    return NewEvent(stream, source, name, kind, "1-0-0", occurred_at, body, mac)


def purchase(stream: UUID, at: str, amount: str = "20.00", **more: Any) -> NewEvent:
    """A purchase of one gift."""
    item = {"sku": "mug", "category": "gifts", "quantity": 1, "unit_price": money(amount)}
    data = {"order_id": f"o-{at}", "total": money(amount), "items": [item]}
    return new_event(stream, "purchase.completed", at, data, **more)


def complaint(stream: UUID, at: str, **more: Any) -> NewEvent:
    """A serious complaint."""
    data = {"complaint_id": f"k-{at}", "about": "delivery", "severity": "high"}
    return new_event(stream, "complaint.opened", at, data, **more)


@dataclass
class House:
    """The projections over a fresh database."""

    conninfo: str
    ledger: Ledger
    pool: Pool
    vault: Vault
    service: ProjectionService
    client: TestClient
    keys: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def person(self, identifier: str) -> UUID:
        """The customer of that identifier, made known now."""
        [person] = self.vault.people([[parse_identifier(identifier)]])
        assert person is not None
        return person.stream

    def record(self, *events: NewEvent) -> int:
        """Append; the position of the last."""
        outcomes = self.ledger.append(events)
        last = outcomes[-1]
        assert isinstance(last, Stored)
        return last.receipt.position

    def fold(self) -> int:
        """Fold everything recorded; the position reached."""
        worker = Worker.hire(self.conninfo, self.service.found, self.ledger, Event())
        assert worker is not None
        with worker:
            while facts := self.ledger.facts_after(worker.position):
                worker.take(facts, NOW)
            return worker.position

    def get(self, path: str, *, role: str = "marketer", **query: Any) -> Response:
        """What the API answers to a key of `role`; `from_` stands for `from`."""
        if role not in self.keys:
            with self.pool.connection() as connection:
                self.keys[role] = create_key(connection, role).key
        headers = {"authorization": f"Bearer {self.keys[role]}"} | query.pop("headers", {})
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return self.client.get(f"/v1{path}", params=asked, headers=headers)

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        """The answer's body; it must have been answered."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()
