"""The programs that I1 and I2 send events to, and the emitter that makes the events."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from infra.plumbing.access import create_key
from infra.plumbing.postgres.pool import make_pool
from tests.bench.place import ROOT
from tests.bench.sender import request, send
from tests.bench.workload import SOURCE, START, TYPE, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tests.bench.place import Place

BATCH = 500
BATCH_MEDIA = "application/cloudevents-batch+json"
SINGLE_MEDIA = "application/cloudevents+json"


class Emitter:
    """Makes purchases as an emitter sends them: outside identifiers, nothing sealed."""

    def __init__(self, customers: int) -> None:
        """Speak about so many customers."""
        self._dice = Random(3)  # noqa: S311 - the same events at every run, nothing secret
        self.customers = customers
        self.made = 0

    def everyone(self) -> list[dict[str, Any]]:
        """One event about each customer, so that none is new any more when the clock runs."""
        return [self._event(customer) for customer in range(self.customers)]

    def take(self, count: int) -> list[dict[str, Any]]:
        """The next events, about any of them."""
        return [self._event(self._dice.randrange(self.customers)) for _ in range(count)]

    def _event(self, customer: int) -> dict[str, Any]:
        self.made += 1
        dice = self._dice
        line = {
            "sku": str(dice.randrange(10_000, 90_000)),
            "name": "15CM CHRISTMAS GLASS BALL 20 LIGHTS",
            "category": "gifts",
            "quantity": dice.randrange(1, 48),
            "unit_price": {"amount": f"{dice.randrange(1, 2_000) / 100}", "currency": "GBP"},
        }
        return {
            "specversion": "1.0",
            "id": str(UUID(int=dice.getrandbits(128), version=4)),
            "source": SOURCE,
            "type": TYPE,
            "time": START,
            "subject": f"crm:bench-{customer}",
            "data": {
                "order_id": f"o-{self.made}",
                "total": {"amount": f"{dice.randrange(100, 90_000) / 100}", "currency": "GBP"},
                "channel": "web",
                "items": [line],
            },
        }


@dataclass(frozen=True, slots=True)
class Server:
    """A program that takes events over HTTP, and the key it wants."""

    port: int
    key: str = ""

    def introduce(self, events: Sequence[dict[str, Any]]) -> None:
        """Send them while no clock runs."""
        send(self.port, self.batches(events), 1)

    def sending(self, connections: int) -> Callable[[Sequence[bytes]], None]:
        """How finished requests are sent: over so many connections."""
        return lambda requests: send(self.port, requests, connections)

    def batches(self, events: Sequence[dict[str, Any]]) -> list[bytes]:
        """Requests of 500 events each."""
        return [
            request(orjson.dumps(part), BATCH_MEDIA, self.key) for part in batches(events, BATCH)
        ]

    def singles(self, events: Sequence[dict[str, Any]]) -> list[bytes]:
        """A request an event."""
        return [request(orjson.dumps(event), SINGLE_MEDIA, self.key) for event in events]


@contextmanager
def product(place: Place) -> Generator[Server]:
    """`rapport command` over a fresh database: the command service with its own loops."""
    with place.database(migrated=True) as database:
        with (
            make_pool(database.vault_conninfo, name="bench") as pool,
            pool.connection() as connection,
        ):
            key = create_key(connection, "emitter").key
        words = [
            "-m",
            "rapport",
            "command",
            "--port",
            "0",
            "--data-dir",
            str(place.folder / "house"),
        ]
        urls = {
            "RAPPORT_DATABASE_URL": database.conninfo,
            "RAPPORT_DATABASE_VAULT_URL": database.vault_conninfo,
            "RAPPORT_DATABASE_OWNER_URL": database.owner_conninfo,
        }
        with program(words, urls) as port:
            yield Server(port, key)


@contextmanager
def rival(place: Place) -> Generator[Server]:
    """A FastAPI route over the library's recorder, on a fresh database."""
    with (
        place.database() as database,
        program(["-m", "tests.bench.peer_app", database.owner_conninfo], {}) as port,
    ):
        yield Server(port)


@contextmanager
def program(words: Sequence[str], settings: dict[str, str]) -> Generator[int]:
    """A program of Python for the length of a `with`; the port that its `ready` line names."""
    running = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        ready = running.stdout.readline()
        if not ready.startswith("ready "):
            raise AssertionError(f"{' '.join(words[:2])} did not start; see its words above.")
        yield int(ready.removeprefix("ready ").rsplit(":", 1)[-1])
    finally:
        running.terminate()
        running.wait()
