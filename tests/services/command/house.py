"""What the tests of intake share: events to send, and a running intake to send them to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI
from fastapi.testclient import TestClient

from infra.plumbing.access import Access, create_key
from infra.plumbing.http import auth, problems
from services.command.routes import install
from services.command.service import CommandService

if TYPE_CHECKING:
    from httpx2 import Response

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.vault import Vault

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"


def application(service: CommandService, pool: Pool) -> FastAPI:
    """Intake over `service` as the program serves it, and nothing else."""
    app = FastAPI()
    problems.install(app)
    auth.install(app, Access(pool))
    install(app, service)
    return app


def complaint(**changes: Any) -> dict[str, Any]:
    """A complaint of one of the shop's customers; a change to None leaves the attribute out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "shop",
        "type": "complaint.opened",
        "time": "2026-03-01T09:30:00Z",
        "subject": "crm:4711",
        "data": {"complaint_id": "k-1", "about": "delivery"},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def attributes(event: dict[str, Any]) -> dict[str, str]:
    """The attributes of `event` as headers of binary mode."""
    return {f"ce-{name}": value for name, value in event.items() if name != "data"}


def as_lines(*values: object) -> bytes:
    """`values` as lines of JSON; bytes stand as they are."""
    return b"\n".join(each if isinstance(each, bytes) else orjson.dumps(each) for each in values)


@dataclass
class House:
    """A running intake: its parts to look into and a client to talk to it with."""

    app: FastAPI
    client: TestClient
    service: CommandService
    ledger: Ledger
    vault: Vault
    pool: Pool
    master: Master
    keys: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def key(self, role: str, source: str | None = None) -> str:
        """The secret of a new key."""
        with self.pool.connection() as connection:
            return create_key(connection, role, source).key

    def post(
        self, content: object, media: str = ONE, *, key: str = "emitter", **headers: str
    ) -> Response:
        """The answer to `content` (bytes as they are, else as JSON), sent with a key of `keys`."""
        return self.client.post(
            "/v1/events",
            content=content if isinstance(content, bytes) else orjson.dumps(content),
            headers={"authorization": f"Bearer {self.keys[key]}", "content-type": media}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    def another(self, **settings: Any) -> CommandService:
        """A service of other `settings` over the same database and catalog."""
        return CommandService(
            ledger=self.ledger,
            vault=self.vault,
            pool=self.pool,
            master=self.master,
            catalog=self.service.catalog,
            **settings,
        )

    def over(self, service: CommandService) -> House:
        """The same house with another service behind its way in."""
        app = application(service, self.pool)
        return replace(self, app=app, client=TestClient(app), service=service)

    def rows(self, query: bytes) -> list[tuple[Any, ...]]:
        """What the database answers to `query`."""
        with self.pool.connection() as connection:
            return connection.execute(query).fetchall()
