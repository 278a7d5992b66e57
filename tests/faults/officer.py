"""A privacy officer who has customers erased while the platform is struck.

Each customer who tells an event of farewell is erased once that event is acknowledged. The officer
asks again until an answer comes; that the customer is not known any more is an answer too.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from threading import Event, Thread
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.faults.record import Record

LOOK_SECONDS = 0.05
ANSWER_SECONDS = 10.0
ANSWERS = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND})
NOT_NOW = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@contextmanager
def erasing(key: str, url: Callable[[], str], record: Record) -> Generator[None]:
    """While it runs, customers who said farewell are erased; at the end all were asked for."""
    stop = Event()

    def work() -> None:
        try:
            with httpx2.Client(
                headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_SECONDS
            ) as client:
                while (waiting := record.to_erase()) or not stop.is_set():
                    for customer in sorted(waiting):
                        _ask(client, url(), customer, record)
                    stop.wait(LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - a silent officer would make the test pass
            record.strange(f"the officer ended by {error!r}")

    officer = Thread(target=work, name="officer", daemon=True)
    officer.start()
    try:
        yield
    finally:
        stop.set()
        officer.join()


def _ask(client: httpx2.Client, url: str, customer: str, record: Record) -> None:
    """Ask once; what is not answered stays waiting."""
    try:
        answer = client.post(f"{url}/v1/privacy/requests", json={"type": "erase", "ref": customer})
    except httpx2.TransportError:
        return
    if answer.status_code in ANSWERS:
        record.erasure_asked(customer)
    elif answer.status_code not in NOT_NOW:
        record.strange(f"an erasure was answered {answer.status_code}")
        record.erasure_asked(customer)
