"""An address that nothing answers: a page for a browser, a problem for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from services.projections.web.route import SECURITY_HEADERS
from tests.services.projections.web.fake import FakeAnswers
from tests.services.projections.web.served import build_app

if TYPE_CHECKING:
    from infra.plumbing.postgres.pool import Pool

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(pool: Pool) -> TestClient:
    return TestClient(build_app(FakeAnswers(), pool), follow_redirects=False)


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere"])
def test_a_browser_that_is_lost_gets_a_page(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"accept": BROWSER})

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing is at this address." in answer.text
    assert 'href="/"' in answer.text
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_program_that_is_lost_gets_a_problem(client: TestClient, accept: str) -> None:
    answer = client.get("/nowhere", headers={"accept": accept})

    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_method_stays_a_problem(client: TestClient) -> None:
    answer = client.post("/", headers={"accept": BROWSER})

    assert (answer.status_code, answer.json()["type"]) == (405, "method-not-allowed")
