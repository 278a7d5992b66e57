"""Who is asking, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.testclient import TestClient

from infra.plumbing.access import (
    Access,
    Action,
    Principal,
    UnknownRole,
    create_key,
    create_login_token,
    redeem,
)
from infra.plumbing.http import auth, problems
from infra.plumbing.http.auth import (
    SESSION_COOKIE,
    clear_session_cookie,
    require,
    set_session_cookie,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.access import Session
    from infra.plumbing.postgres.pool import Pool

HOST = "testserver"


@pytest.fixture
def client(pool: Pool) -> Generator[TestClient]:
    """An application with a route for each way of asking."""
    app = FastAPI()
    problems.install(app)
    auth.install(app, Access(pool))

    @app.get("/for-agents")
    def for_agents(who: Annotated[Principal, Depends(require("agent"))]) -> dict[str, Any]:
        return {"role": who.role}

    @app.post("/for-signal-readers")
    def for_signals(
        who: Annotated[Principal, Depends(require(Action.READ_SIGNALS))],
    ) -> dict[str, Any]:
        return {"role": who.role}

    with TestClient(app) as opened:
        yield opened


def key(pool: Pool, role: str) -> dict[str, str]:
    """The header of a new key."""
    with pool.connection() as connection:
        return {"Authorization": f"Bearer {create_key(connection, role).key}"}


def session(pool: Pool, role: str = "agent") -> Session:
    """A new browser session."""
    with pool.connection() as connection:
        opened = redeem(connection, create_login_token(connection, role))
    assert opened is not None
    return opened


def cookie(opened: Session) -> dict[str, str]:
    """The header by which a browser shows its session."""
    return {"Cookie": f"{SESSION_COOKIE}={opened.token}"}


@pytest.mark.parametrize(
    ("role", "status"), [("agent", 200), ("admin", 200), ("marketer", 403), ("emitter", 403)]
)
def test_a_role_is_let_in_by_name(client: TestClient, pool: Pool, role: str, status: int) -> None:
    answer = client.get("/for-agents", headers=key(pool, role))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("role", "status"), [("agent", 200), ("marketer", 200), ("operator", 403), ("emitter", 403)]
)
def test_a_role_is_let_in_by_what_it_may_do(
    client: TestClient, pool: Pool, role: str, status: int
) -> None:
    answer = client.post("/for-signal-readers", headers=key(pool, role))
    assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer rpt_agent_1_2"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWRhOnNlY3JldA=="},
        {"Cookie": f"{SESSION_COOKIE}=rps_1_2"},
        {"Cookie": f"{SESSION_COOKIE}=other"},
    ],
)
def test_without_a_valid_key_or_session_the_answer_is_401_with_a_challenge(
    client: TestClient, headers: dict[str, str]
) -> None:
    answer = client.get("/for-agents", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["type"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="rapport"')


def test_the_scheme_is_read_whatever_its_case(client: TestClient, pool: Pool) -> None:
    header = key(pool, "agent")["Authorization"].replace("Bearer", "bEARER ")
    assert client.get("/for-agents", headers={"Authorization": header}).status_code == 200


def test_a_browser_is_known_by_its_cookie(client: TestClient, pool: Pool) -> None:
    answer = client.get("/for-agents", headers=cookie(session(pool)))
    assert answer.json() == {"role": "agent"}


def test_a_session_is_no_key_and_a_key_no_session(client: TestClient, pool: Pool) -> None:
    opened = session(pool)
    assert client.get("/for-agents", headers=cookie(opened)).status_code == 200
    bearer = {"Authorization": f"Bearer {opened.token}"}
    swapped = {"Cookie": f"{SESSION_COOKIE}={key(pool, 'agent')['Authorization'].split()[1]}"}

    assert client.get("/for-agents", headers=bearer).status_code == 401
    assert client.get("/for-agents", headers=swapped).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Origin": f"http://{HOST}:9999"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_write_by_cookie_must_come_from_our_own_page(
    client: TestClient, pool: Pool, origin: dict[str, str], status: int
) -> None:
    answer = client.post("/for-signal-readers", headers=cookie(session(pool)) | origin)
    assert answer.status_code == status


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(pool: Pool) -> None:
    response = Response()
    set_session_cookie(response, session(pool), secure=True)
    given = response.headers["set-cookie"].lower()

    for word in ("httponly", "samesite=strict", "secure", "path=/", "expires="):
        assert word in given


def test_the_cookie_can_be_taken_away() -> None:
    response = Response()
    clear_session_cookie(response)
    assert f'{SESSION_COOKIE}=""' in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]


def test_a_route_for_a_role_that_does_not_exist_is_refused_when_it_is_made() -> None:
    with pytest.raises(UnknownRole):
        require("agnet")


def test_when_the_database_is_away_the_answer_is_503(client: TestClient, pool: Pool) -> None:
    header = key(pool, "agent")
    pool.close()
    answer = client.get("/for-agents", headers=header)

    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
