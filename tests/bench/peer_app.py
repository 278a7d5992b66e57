"""The rival of I1 and I2: a FastAPI route over the library's recorder, and nothing else.

Generous to it: the route takes the bare request and reads it with orjson (a pydantic parameter
would halve it), validates nothing, seals nothing, and knows each customer's version by heart.
Started as `python -m tests.bench.peer_app CONNINFO`; says `ready PORT`.
"""

from __future__ import annotations

import socket
import sys
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
import uvicorn
from eventsourcing.persistence import StoredEvent
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tests.bench.stores import library_recorder

if TYPE_CHECKING:
    from eventsourcing.postgres import PostgresApplicationRecorder


class Versions:
    """The next version of each customer's stream, remembered; safe for many threads."""

    def __init__(self) -> None:
        """Know nobody."""
        self._lock = Lock()
        self._streams: dict[str, UUID] = {}
        self._last: defaultdict[UUID, int] = defaultdict(int)

    def place(self, events: list[dict[str, Any]]) -> list[StoredEvent]:
        """The events as the library stores them."""
        with self._lock:
            return [self._next(event) for event in events]

    def _next(self, event: dict[str, Any]) -> StoredEvent:
        subject = event["subject"]
        stream = self._streams.get(subject)
        if stream is None:
            stream = self._streams[subject] = uuid5(NAMESPACE_URL, subject)
        self._last[stream] += 1
        return StoredEvent(stream, self._last[stream], event["type"], orjson.dumps(event))


def app_over(recorder: PostgresApplicationRecorder) -> FastAPI:
    """One route that takes one event or an array of them."""
    app = FastAPI()
    versions = Versions()

    def store(body: bytes) -> list[int]:
        events = orjson.loads(body if body.startswith(b"[") else b"[" + body + b"]")
        return list(recorder.insert_events(versions.place(events)) or [])

    @app.post("/v1/events")
    async def post(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction] - a route
        positions = await run_in_threadpool(store, await request.body())
        return Response(orjson.dumps(positions), 201, media_type="application/json")

    return app


def main() -> None:
    """Serve until SIGTERM."""
    with library_recorder(sys.argv[1]) as recorder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app_over(recorder), log_config=None, access_log=False, lifespan="off"
        )
        taken.listen(1024)
        sys.stdout.write(f"ready {taken.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[taken])


if __name__ == "__main__":
    main()
