"""A small HTTP client that sends finished requests as fast as they are answered.

Its work is done before the clock runs: requests are bytes. It shares the cores with the server,
which is the same for every server.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_GOOD = (b"200", b"201")


class Refused(Exception):
    """A server answered something else than success."""


def request(body: bytes, media: str, key: str = "") -> bytes:
    """A POST of `body` to the intake."""
    lines = [
        "POST /v1/events HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {media}",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join(lines).encode() + _HEAD_END + body


def send(port: int, requests: Sequence[bytes], connections: int) -> None:
    """Send all of them over so many connections; each waits for an answer before its next.

    Raises:
        Refused: an answer was no success.
        ConnectionError: the server hung up.
    """
    uvloop.run(_send(port, iter(requests), connections))


async def _send(port: int, requests: Iterator[bytes], connections: int) -> None:
    loop = asyncio.get_running_loop()
    callers = [_Caller(requests, loop.create_future()) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)
    await asyncio.gather(*(caller.done for caller in callers))


class _Caller(asyncio.Protocol):
    """One connection, kept alive until there is nothing more to send."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, mark, body = self._received.partition(_HEAD_END)
        length = _LENGTH.search(head) if mark else None
        if length is None or len(body) < int(length[1]):
            return
        status = bytes(head[9:12])
        if status not in _GOOD:
            self._end(Refused(f"{status.decode()}: {bytes(body[:500])!r}"))
            return
        self._received.clear()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("The server hung up."))

    def _next(self) -> None:
        following = next(self._requests, None)
        if self._transport is None or following is None:
            self._end(None)
            return
        self._transport.write(following)

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        if self._transport is not None:
            self._transport.close()
