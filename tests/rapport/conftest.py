"""A fake platform: a real HTTP server on loopback that speaks the contract's words.

It keeps events in memory and knows three rules: an event needs a `type`, an event of the year
3000 is quarantined, and the same source and id with another content is a conflict.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import orjson
import pytest

from rapport.client import Client, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "rpt_emitter_test_secret"
MAX_BODY = 4 * 1024 * 1024
MAX_EVENTS = 1_000


@dataclass
class Answer:
    """One HTTP answer; status 0 hangs up without one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    media_type: str = "application/problem+json"


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakePlatform:
    """`scripted` answers are given first, in order; then the platform's own."""

    key = KEY

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], bytes] = {}
        self.requests: list[Request] = []
        self.scripted: list[Answer] = []
        self.most_at_once = 0
        self.on_post: Callable[[], None] = lambda: None
        self._at_once = 0
        self._lock = threading.Lock()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                platform.handle(self)

            def do_GET(self) -> None:
                platform.handle(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name there
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def script(
        self,
        status: int,
        body: Any = None,
        *,
        media_type: str = "application/problem+json",
        **headers: str,
    ) -> None:
        """Give this answer to one request to come; status 0 hangs up without an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.scripted.append(Answer(status, body, named, media_type))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        length = int(http.headers.get("Content-Length", "0"))
        request = Request(
            http.command, http.path, dict(http.headers.items()), http.rfile.read(length)
        )
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            scripted = self.scripted.pop(0) if self.scripted else None
        if request.method == "POST":
            self.on_post()
        answer = scripted or self._own(request)
        with self._lock:
            self._at_once -= 1
        if answer.status == 0:
            return
        body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
        http.send_response_only(answer.status)
        for name, value in answer.headers.items():
            http.send_header(name, value)
        http.send_header("Content-Type", answer.media_type)
        http.send_header("Content-Length", str(len(body)))
        http.end_headers()
        http.wfile.write(body)

    def _own(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Answer(401, {"title": "unauthorised"}, {"WWW-Authenticate": "Bearer"})
        if request.method == "GET":
            return Answer(404, {"title": "not-found", "detail": "There is no such customer."})
        if len(request.body) > MAX_BODY:
            return Answer(413, {"title": "too-large"})
        events: list[dict[str, Any]] = [orjson.loads(line) for line in request.body.split(b"\n")]
        if len(events) > MAX_EVENTS:
            return Answer(413, {"title": "too-large"})
        with self._lock:
            results = [self._record(event) for event in events]
        well = all(result["status"] in {"stored", "duplicate"} for result in results)
        return Answer(200 if well else 207, {"results": results}, {}, "application/json")

    def _record(self, event: dict[str, Any]) -> dict[str, Any]:
        if "type" not in event:
            error = {"pointer": "/type", "message": "is missing", "cure": "Say what happened."}
            return {"status": "rejected", "errors": [error]}
        if str(event.get("time", "")).startswith("3000"):
            return {"status": "quarantined", "detail": "It says it happens in the future."}
        key = (str(event["source"]), str(event["id"]))
        body = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
        first = self.stored.setdefault(key, body)
        if first is body:
            return {"id": key[1], "status": "stored"}
        if first == body:
            return {"id": key[1], "status": "duplicate"}
        return {"id": key[1], "status": "conflict", "title": "event-id-reused"}


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The seconds the `client` fixture was told to wait; it does not really wait."""
    return []


@pytest.fixture
def client(platform: FakePlatform, pauses: list[float]) -> Iterator[Client]:
    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    with Client(platform.url, KEY, patience=Patience(60.0, pause)) as opened:
        yield opened
