"""A real local receiver of webhooks that can behave badly, as receivers do."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True)
class Received:
    number: int
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def alert_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Behaviour = Answer | Literal["hang", "reset", "drip"]
OK = Answer(204)


class Sink:
    """Listens on a free port of 127.0.0.1; `behave` decides what each request gets."""

    def __init__(self, behave: Callable[[Received], Behaviour] = lambda _: OK) -> None:
        self.behave: Callable[[Received], Behaviour] = behave
        self.received: list[Received] = []
        self.released = Event()
        self._changed = Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sink = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    @property
    def ids(self) -> list[str]:
        return [received.alert_id for received in self.received]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Behaviour:
        with self._changed:
            received = Received(len(self.received) + 1, path, headers, body)
            self.received.append(received)
            self._changed.notify_all()
        return self.behave(received)

    def wait_for(self, seen: Callable[[Sink], bool], seconds: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: seen(self), seconds), "the sink waited in vain"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    sink: Sink

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hung up, or was reset, is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - always ours

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if len(body) < int(self.headers["content-length"]):
            return  # the sender was killed in the middle of its request
        headers = {name.lower(): value for name, value in self.headers.items()}
        match self.server.sink.take(self.path, headers, body):
            case Answer(status=status, headers=more):
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()
            case "hang":
                self.server.sink.released.wait()
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                raise ConnectionResetError
            case "drip":
                self._drip()

    def do_GET(self) -> None:
        self.server.sink.take(self.path, {"webhook-id": "a redirect was followed"}, b"")
        self.send_response(200)
        self.end_headers()

    def _drip(self) -> None:
        """Send an answer that never ends, a byte at a time."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while not self.server.sink.released.wait(0.02):
            self.wfile.write(b"z")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""
