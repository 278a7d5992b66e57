"""Every refusal is a problem (RFC 9457), and none repeats what was sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from eventsourcing import persistence
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg_pool import PoolTimeout
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from events.errors import FieldError
from infra.plumbing.http.problems import (
    KINDS,
    AnswerBroken,
    Problem,
    install,
    problem_response,
)
from infra.plumbing.ledger.recorder import LedgerBusy
from infra.plumbing.vault.vault import VaultBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

AWAY_ERRORS = [
    LedgerBusy(),
    VaultBusy(),
    PoolTimeout(),
    psycopg.OperationalError(),
    psycopg.InterfaceError(),
    psycopg.errors.IdleInTransactionSessionTimeout(),
    persistence.OperationalError(),
    persistence.InterfaceError(),
]
SECRET = "ada@example.org"  # noqa: S105 - a canary, not a password


async def broken_off() -> AsyncIterator[bytes]:
    """An answer that fails after its first bytes."""
    yield b"begun"
    raise ValueError(SECRET)


@pytest.fixture
def client() -> Generator[TestClient]:
    """An application whose routes refuse in every way."""
    app = FastAPI()
    install(app)

    @app.get("/refuses")
    def refuses() -> None:
        raise Problem("not-yet-visible", "Ask again.", [FieldError("/a", "m", "c")], {"X-A": "1"})

    @app.get("/numbers/{number}")
    def numbers(number: int, limit: int = 1) -> int:
        return number + limit

    @app.get("/breaks")
    def breaks() -> None:
        raise ValueError(SECRET)

    @app.get("/away/{number}")
    def away(number: int) -> None:
        raise AWAY_ERRORS[number]

    @app.get("/breaks-off")
    def breaks_off() -> StreamingResponse:
        return StreamingResponse(broken_off())

    with TestClient(app) as opened:
        yield opened


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_its_status_title_and_media_type(kind: str) -> None:
    answer = problem_response(kind, "Words.")

    assert answer.status_code == KINDS[kind].status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (answer.status_code in {429, 503, 504})


def test_a_problem_raised_in_a_route_is_the_answer(client: TestClient) -> None:
    answer = client.get("/refuses")

    assert answer.status_code == 409
    assert answer.headers["x-a"] == "1"
    assert answer.json() == {
        "type": "not-yet-visible",
        "title": "Not folded so far yet",
        "status": 409,
        "detail": "Ask again.",
        "errors": [{"pointer": "/a", "message": "m", "cure": "c"}],
    }


def test_an_unknown_address_and_a_wrong_method_are_problems(client: TestClient) -> None:
    nowhere = client.get(f"/nowhere/{SECRET}")
    wrong = client.post("/refuses")

    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "not-found")
    assert SECRET not in nowhere.text
    assert (wrong.status_code, wrong.json()["type"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET"


def test_a_parameter_that_is_not_valid_is_named_and_not_repeated(client: TestClient) -> None:
    answer = client.get(f"/numbers/{SECRET}?limit=many")

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/path/number", "/query/limit"]
    assert SECRET not in answer.text
    assert "many" not in answer.text


def test_a_fault_of_ours_is_a_plain_500_and_its_words_stay_out_of_log_and_answer(
    client: TestClient,
) -> None:
    with capture_logs() as logs:
        answer = client.get("/breaks")

    assert (answer.status_code, answer.json()["type"]) == (500, "internal")
    assert SECRET not in answer.text
    [line] = logs
    assert line["error"] == "ValueError"
    assert "test_problems.py" in line["at"][-1]
    assert SECRET not in str(line)


@pytest.mark.parametrize("number", range(len(AWAY_ERRORS)))
def test_a_database_that_is_away_is_a_503_with_retry_after(client: TestClient, number: int) -> None:
    answer = client.get(f"/away/{number}")

    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_refusal_points_at_a_page_that_is_there(client: TestClient) -> None:
    details = [client.get("/nowhere").json()["detail"]]
    details += [each["cure"] for each in client.get("/numbers/x").json()["errors"]]

    assert all("/openapi.json" in each for each in details)
    assert client.get("/openapi.json").status_code == 200


def test_an_answer_that_fails_midway_breaks_the_connection_without_the_words(
    client: TestClient,
) -> None:
    with capture_logs() as logs, pytest.raises(AnswerBroken) as caught:
        client.get("/breaks-off")

    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__
    assert SECRET not in str(logs)


def test_what_is_no_http_request_passes_through() -> None:
    app = FastAPI()
    install(app)
    seen: list[dict[str, Any]] = []

    async def talk() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: Any) -> None:
            seen.append(message)

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    asyncio.run(talk())

    assert [each["type"] for each in seen] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
