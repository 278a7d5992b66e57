"""One POST to a receiver whom nobody here controls: its time ends, what it says is not read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext


class Answered(NamedTuple):
    """What the receiver said: its status, whether that means taken (any 2xx), and Retry-After."""

    status: int
    taken: bool
    retry_after: str | None


def post_once(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    tls: SSLContext | None = None,
) -> Answered:
    """Post `content`; redirects are not followed. `seconds` are all it may take, byte by byte.

    Raises:
        TimeoutError: no answer by then.
        httpx2.TransportError: the receiver cannot be reached.
    """
    return asyncio.run(_post(url, content, headers, seconds, tls))


async def _post(
    url: str, content: bytes, headers: Mapping[str, str], seconds: float, tls: SSLContext | None
) -> Answered:
    verify = True if tls is None else tls
    client = httpx2.AsyncClient(verify=verify, timeout=None, trust_env=False)
    request = client.stream("POST", url, content=content, headers=headers)
    async with asyncio.timeout(seconds), client, request as answer:
        return Answered(answer.status_code, answer.is_success, answer.headers.get("retry-after"))
