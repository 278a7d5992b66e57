"""I9, asked of a running platform: a key reaches only what its role may.

Every path that the platform itself documents is asked for; a new one is asked for by itself.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2

from infra.plumbing.access import create_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.program import Program

OPEN_TO_ALL = ("/v1/schemas", "/v1/openapi", "/healthz", "/readyz", "/metrics")
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
SOMEBODY = "00000000-0000-4000-8000-000000000000"
EVENT = b"{}"


def i9_nothing_is_read_across_roles(program: Program) -> list[str]:
    """An emitter reads nothing, a reader writes nothing, and without a key there is nothing."""
    with program.database() as connection:
        emitter = create_key(connection, "emitter", "spy").key
        marketer = create_key(connection, "marketer").key
    with httpx2.Client(base_url=program.url, timeout=30) as client:
        found = [
            f"I9 {who} was answered {status} at GET {path}"
            for path in _paths(client)
            for who, key in (("an emitter", emitter), ("a stranger", ""))
            if (status := _get(client, path, key)) not in REFUSED
        ]
        for who, key in (("a marketer", marketer), ("a stranger", "")):
            if (status := _post(client, key)) not in REFUSED:
                found.append(f"I9 {who} was answered {status} at POST /v1/events")
    return found


def _paths(client: httpx2.Client) -> Iterator[str]:
    """Every documented path that can be read and is not open to all."""
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        if "get" in methods and path.startswith("/v1/") and not path.startswith(OPEN_TO_ALL):
            yield re.sub(r"\{[^}]+\}", SOMEBODY, path)


def _get(client: httpx2.Client, path: str, key: str) -> int:
    return client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {}).status_code


def _post(client: httpx2.Client, key: str) -> int:
    headers = {"Content-Type": "application/cloudevents+json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return client.post("/v1/events", content=EVENT, headers=headers).status_code
