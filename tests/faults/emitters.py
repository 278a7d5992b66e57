"""Emitters that tell their tales over HTTP at once, and send each request until it is answered.

An emitter sends nothing new before it has been answered, so the order of its acknowledgements is
the order of its events. An answer that never came, 429, 503 and 504 are reasons to send the same
again; after 503 alone the event must not be there yet.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from random import Random
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx2
import orjson

from tests.faults.record import Fate, Record, Role, Told
from tests.faults.telling import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime

NOT_NOW = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
THINKING_SECONDS = 0.03
AGAIN_SECONDS = 0.05
ANSWER_SECONDS = 10.0
PATIENCE_SECONDS = 120.0


class Emitter(Thread):
    """One emitter: tells until `stop`, then waits for its last answer."""

    def __init__(
        self, teller: Teller, key: str, url: Callable[[], str], record: Record, stop: Event
    ) -> None:
        super().__init__(name=f"emitter {teller.source}", daemon=True)
        self._teller = teller
        self._key = key
        self._url = url
        self._record = record
        self._halt = stop

    def run(self) -> None:
        """Tell until asked to stop; a fault of the test's own is kept as an odd answer."""
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx2.Client(headers=headers, timeout=ANSWER_SECONDS) as client:
                while not self._halt.is_set():
                    self._tell(client, self._teller.next())
                    self._halt.wait(self._teller.dice.uniform(0, THINKING_SECONDS))
        except Exception as error:  # noqa: BLE001 - a silent emitter would make the test pass
            self._record.strange(f"{self.name} ended by {error!r}")

    def _tell(self, client: httpx2.Client, told: Sequence[Told]) -> None:
        self._record.sending(told)
        body, kind = self._written(told)
        answer, kept_waiting = self._send(client, body, kind)
        for each, result in zip(told, self._results(answer), strict=True):
            self._record.answered(self._teller.source, each, result)
            if kept_waiting and each.fate is Fate.STORED and result["status"] == "duplicate":
                self._record.strange(f"{each.key} was answered 503, not stored, and was stored")
            if each.fate is Fate.STORED and each.role is Role.ORDINARY:
                self._teller.know(each)

    def _written(self, told: Sequence[Told]) -> tuple[bytes, str]:
        events = [each.event for each in told]
        if len(events) == 1:
            return orjson.dumps(events[0]), ONE
        if self._teller.dice.random() < 1 / 2:
            return b"\n".join(map(orjson.dumps, events)), LINES
        return orjson.dumps(events), BATCH

    def _send(self, client: httpx2.Client, body: bytes, kind: str) -> tuple[httpx2.Response, bool]:
        """The first answer that is one, however often that takes.

        And whether every answer before it came and said that nothing was stored.
        """
        until, told_not_stored, lost = monotonic() + PATIENCE_SECONDS, False, False
        while monotonic() < until:
            try:
                answer = client.post(
                    f"{self._url()}/v1/events", content=body, headers={"Content-Type": kind}
                )
            except httpx2.TransportError:
                lost = True
                self._record.counted["no answer"] += 1
            else:
                if answer.status_code not in NOT_NOW:
                    return answer, told_not_stored and not lost
                if answer.status_code == HTTPStatus.GATEWAY_TIMEOUT:
                    lost = True
                told_not_stored = True
                self._record.counted[f"answer {answer.status_code}"] += 1
            self._halt.wait(AGAIN_SECONDS)
        raise TimeoutError(f"not answered within {PATIENCE_SECONDS} seconds")

    @staticmethod
    def _results(answer: httpx2.Response) -> list[Mapping[str, Any]]:
        """One item an event; a problem with a single event is put as a batch would put it."""
        content = answer.json()
        match answer.status_code:
            case HTTPStatus.CREATED | HTTPStatus.OK if "results" not in content:
                return [content]
            case HTTPStatus.OK | HTTPStatus.MULTI_STATUS:
                return content["results"]
            case HTTPStatus.CONFLICT:
                return [{"status": "conflict"}]
            case _:
                kind = str(content.get("type"))
                status = "quarantined" if kind == "quarantined" else f"{answer.status_code} {kind}"
                return [{"status": status}]


@contextmanager
def telling(
    keys: Mapping[str, str], url: Callable[[], str], record: Record, seed: int, now: datetime
) -> Generator[None]:
    """While it runs one emitter a source tells; at the end each has its last answer.

    `keys`: source to key. The tale of each is drawn from `seed` and its source.
    """
    stop = Event()
    emitters = [
        Emitter(
            Teller(source, Random(f"{seed} {source}"), canary(seed), now),  # noqa: S311 - repeatable
            key,
            url,
            record,
            stop,
        )
        for source, key in keys.items()
    ]
    for emitter in emitters:
        emitter.start()
    try:
        yield
    finally:
        stop.set()
        for emitter in emitters:
            emitter.join(2 * PATIENCE_SECONDS)


def canary(seed: int) -> str:
    """What stands in every personal value told under `seed`, and nowhere else."""
    return f"canary-{seed}-bird"
