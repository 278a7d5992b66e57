"""One address is answered before the router looks, and is guarded like every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import Response

from infra.plumbing.http import direct, problems
from infra.plumbing.http.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    problems.install(app)

    async def handler(request: Request) -> Response:
        match request.headers["ask"]:
            case "problem":
                raise Problem("forbidden", "Not you.")
            case "fault":
                raise LookupError("secret")
            case _:
                return Response("direct")

    async def routed() -> Response:
        return Response("routed")

    for method in ("GET", "POST"):
        app.add_api_route("/here", routed, methods=[method])
    direct.install(app, "POST", "/here", handler)
    return TestClient(app)


def test_only_the_method_at_the_very_address_is_answered_directly(client: TestClient) -> None:
    assert client.post("/here", headers={"ask": "yes"}).text == "direct"
    assert client.get("/here").text == "routed"
    assert client.post("/here/there").status_code == 404


def test_problems_and_faults_are_answered_as_elsewhere(client: TestClient) -> None:
    refused = client.post("/here", headers={"ask": "problem"})
    assert (refused.status_code, refused.json()["detail"]) == (403, "Not you.")
    fault = client.post("/here", headers={"ask": "fault"})
    assert (fault.status_code, fault.json()["type"]) == (500, "internal")
    assert "secret" not in fault.text
