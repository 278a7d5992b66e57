"""Every route of the whole application, against every role: who is let in stands in one table.

The table is written out, not derived from `ACTIONS`: a route guarded by the wrong action, or by
none, is told here. A route without a row fails, and so does a row without a route.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

from infra.plumbing.access import ACTIONS, Action, Role, create_key, create_login_token, redeem
from infra.plumbing.http.auth import SESSION_COOKIE
from rapport.running.house import open_house
from rapport.running.serve import build_app, command_service, projection_service

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from httpx2 import Response
    from starlette.routing import BaseRoute

    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.settings import Settings

Address = tuple[str, str]

ADDRESS: Final = "http://testserver"
NOBODY: Final = UUID(int=7)
HASH: Final = re.compile(r"-[0-9a-f]{16}\.")
REFUSED: Final = frozenset({401, 403})

OPEN: Final = None
"""Everybody comes in, with a key or without."""
_WRITERS: Final = frozenset({"emitter", "admin"})
_SALES: Final = frozenset({"marketer", "agent", "admin"})
_OF_ONE: Final = _SALES | {"auditor", "privacy"}
_HISTORY: Final = frozenset({"auditor", "privacy", "admin"})
_OPERATORS: Final = frozenset({"operator", "admin"})
_OFFICER: Final = frozenset({"privacy", "admin"})

TABLE: Final[dict[Address, frozenset[str] | None]] = {
    ("POST", "/v1/events"): _WRITERS,
    ("GET", "/v1/customers"): _SALES,
    ("GET", "/v1/portfolio"): _SALES,
    ("GET", "/v1/signals"): _SALES,
    ("GET", "/v1/customers/{ref}"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/timeline"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/wallet-share"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/rhythm"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/signals"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/health"): _OF_ONE,
    ("GET", "/v1/customers/{ref}/health/explain"): _OF_ONE,
    ("GET", "/v1/audit/checkpoint"): _HISTORY,
    ("GET", "/v1/audit/proofs/inclusion"): _HISTORY,
    ("GET", "/v1/audit/proofs/consistency"): _HISTORY,
    ("GET", "/v1/audit/events/{position}"): _HISTORY,
    ("GET", "/v1/audit/customers/{ref}"): _HISTORY,
    ("POST", "/v1/privacy/requests"): _OFFICER,
    ("GET", "/v1/privacy/requests/{request}"): _OFFICER,
    ("GET", "/v1/privacy/requests/{request}/export"): _OFFICER,
    ("GET", "/v1/quarantine"): _OPERATORS,
    ("POST", "/v1/quarantine/replay"): _OPERATORS,
    ("POST", "/v1/quarantine/{number}/replay"): _OPERATORS,
    ("GET", "/"): _SALES,
    ("HEAD", "/"): _SALES,
    ("GET", "/customers/{customer}"): _OF_ONE,
    ("HEAD", "/customers/{customer}"): _OF_ONE,
    ("POST", "/search"): _OF_ONE,
    ("GET", "/search"): OPEN,
    ("GET", "/login"): OPEN,
    ("POST", "/logout"): OPEN,
    ("GET", "/static/rapport-{hash}.css"): OPEN,
    ("HEAD", "/static/rapport-{hash}.css"): OPEN,
    ("GET", "/static/icon-{hash}.svg"): OPEN,
    ("HEAD", "/static/icon-{hash}.svg"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("HEAD", "/openapi.json"): OPEN,
}
"""Which roles each route lets in."""


class Door:
    """The whole application, and the ways to knock."""

    def __init__(self, app: FastAPI, client: TestClient, pool: Pool) -> None:
        self.addresses = addresses(app.routes)
        self._client = client
        self._pool = pool

    def with_key(self, method: str, path: str, role: str) -> Response:
        with self._pool.connection() as connection:
            key = create_key(connection, role).key
        return self._ask(method, path, {"Authorization": f"Bearer {key}"})

    def with_session(self, method: str, path: str, role: str) -> Response:
        """Ask as the browser of a signed-in person does, from a page of this origin."""
        with self._pool.connection() as connection:
            session = redeem(connection, create_login_token(connection, role))
        assert session is not None
        return self._ask(
            method, path, {"Cookie": f"{SESSION_COOKIE}={session.token}", "Origin": ADDRESS}
        )

    def with_nothing(self, method: str, path: str) -> Response:
        return self._ask(method, path, {})

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> Response:
        """Ask in a way that changes nothing: empty bodies, and a customer who does not exist."""
        query: dict[str, str] = {}
        if path == "/login":  # a spent token is answered 401 to anybody: bring a good one
            with self._pool.connection() as connection:
                query["token"] = create_login_token(connection, "marketer")
        concrete = re.sub(r"{\w+}", str(NOBODY), path)
        self._client.cookies.clear()
        return self._client.request(method, concrete, headers=headers, params=query)


def addresses(routes: Sequence[BaseRoute], prefix: str = "") -> list[Address]:
    """Method and path of every route; what is mounted whole has the method `*`."""
    found: list[Address] = []
    for each in iter_route_contexts(routes):  # routers that were included are walked through
        path = f"{prefix}{each.path}"
        if isinstance(each.original_route, Mount) and each.original_route.routes:
            found += addresses(each.original_route.routes, path)
        else:
            found += [(method, path) for method in sorted(each.methods or {"*"})]
    return found


def row_of(address: Address) -> Address:
    """The row for a route: the hash in the name of a static file is left out."""
    method, path = address
    return method, HASH.sub("-{hash}.", path)


@pytest.fixture
def door(settings: Settings) -> Generator[Door]:
    with open_house(settings, what="pytest") as house, command_service(house) as command:
        app = build_app(house, command=command, projections=projection_service(house))
        with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
            yield Door(app, client, house.vault_pool)


def test_every_route_has_its_row_and_every_row_its_route(door: Door) -> None:
    assert sorted(map(row_of, door.addresses)) == sorted(TABLE)


def test_every_route_lets_in_exactly_the_roles_of_its_row(door: Door) -> None:
    wrong: list[str] = []
    for method, path in door.addresses:
        allowed = TABLE[row_of((method, path))]
        for role in Role:
            expected = "in" if allowed is None or role in allowed else "403"
            for way in (door.with_key, door.with_session):
                seen = verdict(way(method, path, role))
                if seen != expected:
                    wrong.append(f"{method} {path} {role} {way.__name__}: {seen}, not {expected}")
    assert wrong == []


def test_without_a_key_only_the_open_routes_answer(door: Door) -> None:
    wrong: list[str] = []
    for method, path in door.addresses:
        expected = "in" if TABLE[row_of((method, path))] is OPEN else "401"
        seen = verdict(door.with_nothing(method, path))
        if seen != expected:
            wrong.append(f"{method} {path}: {seen}, not {expected}")
    assert wrong == []


def test_whatever_way_a_route_is_added_it_is_found() -> None:
    app = FastAPI(openapi_url=None)
    inner = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in (app, inner):
        each.add_api_route("/new", lambda: None, methods=["DELETE"])
    app.mount("/inner", inner)
    router = APIRouter(prefix="/in")
    router.add_api_route("/cluded", lambda: None, methods=["PUT"])
    app.include_router(router)
    app.mount("/files", PlainTextResponse("a whole application of its own"))
    assert {
        ("DELETE", "/new"),
        ("DELETE", "/inner/new"),
        ("PUT", "/in/cluded"),
        ("*", "/files"),
    } <= set(addresses(app.routes))


def test_a_steward_reads_no_scores_signals_or_timelines_and_an_operator_nobody() -> None:
    reading = {Action.READ_CUSTOMER, Action.READ_PORTFOLIO, Action.READ_SIGNALS}
    for action in reading:
        assert Role.STEWARD not in ACTIONS[action]
    for action in reading | {Action.READ_HISTORY}:
        assert Role.OPERATOR not in ACTIONS[action]


def verdict(response: Response) -> str:
    """`in`, or the refusal's status. A fault of the program is neither."""
    if response.status_code in REFUSED:
        return str(response.status_code)
    return "in" if response.status_code < 500 else f"fault {response.status_code}"
