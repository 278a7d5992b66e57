"""What the notifier's tests share: signals in a real ledger, a running service, the outbox."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import orjson
from psycopg.rows import dict_row

from events.facts import Fact
from infra.plumbing.ledger.answers import NewEvent
from services.notifier.channel import Delivered
from services.notifier.retry import RetryPolicy
from services.notifier.sender import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from services.notifier.channel import Message, Outcome
    from services.notifier.service import NotifierService

CUSTOMERS = UUID("2d6c7a52-63c1-4a7e-9a0c-3f1b8f1f2a10")
OCCURRED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HASTY = Terms(
    dice=lambda: 0.0,
    retry=RetryPolicy(timedelta(milliseconds=20), 1.0, timedelta(seconds=1), attempts=5),
    lease=timedelta(seconds=30),
    look_seconds=0.05,
)


def customer(number: int) -> UUID:
    return uuid5(CUSTOMERS, str(number))


def signal(number: int) -> str:
    return str(uuid5(CUSTOMERS, f"signal {number}"))


def raised(number: int, **changes: Any) -> dict[str, Any]:
    """The data of signal `number`, as the signals room raises it."""
    return {
        "signal_id": signal(number),
        "kind": "silence",
        "reason": f"No purchase for {90 + number} days; usually one every 30.",
        "due_at": "2026-03-04T05:06:07Z",
        "contributing": [f"INV-{number}"],
        "value_at_stake": {"amount": "120.50", "currency": "GBP"},
        "playbook": "win-back call",
        "policy_version": "default-1",
        **changes,
    }


def cleared(number: int) -> dict[str, Any]:
    return {"signal_id": signal(number), "kind": "silence", "reason": "A purchase came in."}


def fact(data: Mapping[str, Any], kind: str = "churn_signal.raised", **changes: Any) -> Fact:
    known: dict[str, Any] = {
        "position": 7,
        "stream": customer(1),
        "version": 3,
        "source": "rapport/signals",
        "event_id": "s-1/raised",
        "type": kind,
        "schema": "1-0-0",
        "occurred_at": OCCURRED,
        "recorded_at": OCCURRED + timedelta(seconds=1),
        "data": data,
    }
    return Fact(**{**known, **changes})


def new_event(number: int, kind: str, data: Mapping[str, Any]) -> NewEvent:
    event_id = f"{data.get('signal_id', number)}/{kind.rpartition('.')[2]}"
    body = orjson.dumps({"id": event_id, "type": kind, "data": data}, option=orjson.OPT_SORT_KEYS)
    return NewEvent(
        stream=customer(number),
        source="rapport/signals",
        event_id=event_id,
        type=kind,
        schema="1-0-0",
        occurred_at=OCCURRED,
        body=body,
        content_mac=hashlib.sha256(body).digest(),
    )


def raise_signals(ledger: Ledger, numbers: Sequence[int]) -> None:
    ledger.append([new_event(n, "churn_signal.raised", raised(n)) for n in numbers])


def clear_signal(ledger: Ledger, number: int) -> None:
    ledger.append([new_event(number, "churn_signal.cleared", cleared(number))])


def deliveries(pool: Pool) -> list[dict[str, Any]]:
    """Every delivery with its alert, by position and channel."""
    with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(
            "SELECT d.*, a.position, a.line, a.body, a.topic FROM notifier.deliveries d"
            " JOIN notifier.alerts a USING (alert_id) ORDER BY a.position, d.channel"
        ).fetchall()


def statuses(pool: Pool, channel: str = "webhook") -> list[str]:
    return [row["status"] for row in deliveries(pool) if row["channel"] == channel]


def wait_until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    pause, end = Event(), monotonic() + seconds
    while not happened():
        assert monotonic() < end, "waited in vain"
        pause.wait(0.02)


@contextmanager
def running(service: NotifierService) -> Generator[Event]:
    """Run `service` in a thread; at the end stop it, and raise what it raised."""
    stop, errors = Event(), list[BaseException]()

    def run() -> None:
        try:
            service.run(stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the notifier did not stop"
    for error in errors:
        raise error


@dataclass
class FakeChannel:
    """A channel in memory: keeps what it is handed, answers what it is told."""

    name: str = "webhook"
    workers: int = 1
    answer: Callable[[Message], Outcome] = lambda _: Delivered()
    taken: list[Message] = field(default_factory=list["Message"])

    def deliver(self, message: Message) -> Outcome:
        self.taken.append(message)
        return self.answer(message)
