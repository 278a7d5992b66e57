"""The events of the bench: about 500 bytes each, 20,000 customers, the same for every contender.

They look like what intake stores: a purchase in a CloudEvents envelope whose original subject is
sealed. Made from a seed; the clock never runs while they are made.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")

CUSTOMERS = 20_000
SOURCE = "bench-shop"
TYPE = "purchase.completed"
SCHEMA = "1-0-0"
START = datetime(2024, 1, 1, tzinfo=UTC)
"""Long past: nothing in the bench may lie ahead of the clock."""
_SEALED_BYTES = 45


@dataclass(frozen=True, slots=True)
class Made:
    """One event as any event store could take it. Versions of a stream count from 1."""

    stream: UUID
    version: int
    event_id: str
    occurred_at: datetime
    body: bytes


class Workload:
    """An endless supply of events of `customers` customers, who buy at random."""

    def __init__(self, customers: int = CUSTOMERS, seed: int = 1) -> None:
        """Start at the first event of each stream."""
        self._dice = Random(seed)  # noqa: S311 - the same events at every run, nothing secret
        self.streams = [self._uuid() for _ in range(customers)]
        self._versions: defaultdict[UUID, int] = defaultdict(int)
        self.made = 0

    def take(self, count: int) -> list[Made]:
        """The next `count` events."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Made:
        stream = self._dice.choice(self.streams)
        self._versions[stream] += 1
        self.made += 1
        event_id = str(self._uuid())
        occurred_at = START + timedelta(seconds=self.made)
        body = _body(self._dice, stream, event_id, occurred_at, self.made)
        return Made(stream, self._versions[stream], event_id, occurred_at, body)

    def _uuid(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128), version=4)


def _body(dice: Random, stream: UUID, event_id: str, occurred_at: datetime, number: int) -> bytes:
    """An event as intake would store it, keys sorted, sealed values as random bytes."""
    sealed = base64.b64encode(dice.randbytes(_SEALED_BYTES)).decode()
    event = {
        "data": {
            "items": [
                {
                    "quantity": dice.randrange(1, 48),
                    "sku": str(dice.randrange(10_000, 90_000)),
                    "unit_price": {"amount": f"{dice.randrange(1, 2000) / 100}", "currency": "GBP"},
                }
            ],
            "order_id": f"o-{number}",
            "total": {"amount": f"{dice.randrange(100, 90_000) / 100}", "currency": "GBP"},
        },
        "id": event_id,
        "originalsubject": {"key": f"{stream}/1", "sealed": sealed},
        "source": SOURCE,
        "specversion": "1.0",
        "subject": f"customer:{stream}",
        "time": occurred_at,
        "type": TYPE,
    }
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


def batches(events: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`events`, in whatever form, in parts of `size`."""
    return [events[at : at + size] for at in range(0, len(events), size)]
