"""The pages over HTTP: who gets in, what is refused in which words, what every answer carries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import OperationalError
from starlette.testclient import TestClient

from infra.plumbing.access import create_login_token
from infra.plumbing.http.auth import SESSION_COOKIE
from tests.services.projections.web.fake import AS_OF, CONTRIBUTIONS, FakeAnswers, customer_id
from tests.services.projections.web.served import build_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from infra.plumbing.postgres.pool import Pool

ADDRESS = "http://testserver"
CUSTOMER = f"/customers/{customer_id(0)}"


@dataclass
class Asked(FakeAnswers):
    """Answers that remember at which instant they were asked, and may be told what to say."""

    customers: int = 60
    shares: int = 20
    instants: list[datetime | None] = field(default_factory=list["datetime | None"])
    failure: Exception | None = None
    suggested: datetime | None = AS_OF
    early_scores: list[str] = field(default_factory=list[str])
    explanation: Mapping[str, Any] | None = None

    def suggested_as_of(self) -> datetime | None:
        return self.suggested

    def portfolio(self, *, as_of: datetime | None) -> Mapping[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.instants.append(as_of)
        return super().portfolio(as_of=as_of)

    def health(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        self.instants.append(as_of)
        answer = dict(super().health(customer, as_of=as_of))
        return answer | {"value": self.early_scores.pop()} if self.early_scores else answer

    def health_explain(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        self.instants.append(as_of)
        told = FakeAnswers.health(self, customer, as_of=as_of)["value"]
        return self.explanation or {"value": told, "contributions": CONTRIBUTIONS}


@pytest.fixture
def answers() -> Asked:
    return Asked()


@pytest.fixture
def visitor(answers: Asked, pool: Pool) -> TestClient:
    """Somebody who is not signed in."""
    return TestClient(build_app(answers, pool), base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def come_in(visitor: TestClient, pool: Pool) -> Callable[[str], TestClient]:
    """Signs the visitor in with a role."""

    def sign_in(role: str = "admin") -> TestClient:
        with pool.connection() as conn:
            token = create_login_token(conn, role)
        assert visitor.get("/login", params={"token": token}).status_code == 303
        return visitor

    return sign_in


def title(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    return "" if found is None else re.sub(r"<[^>]+>", "", found[1]).strip()


def test_a_login_address_opens_one_session_and_goes_to_the_portfolio(
    visitor: TestClient, pool: Pool
) -> None:
    with pool.connection() as conn:
        token = create_login_token(conn, "marketer")
    came = visitor.get("/login", params={"token": token})
    assert (came.status_code, came.headers["location"]) == (303, "/")
    cookie = came.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert title(visitor.get("/").text) == "Portfolio"
    again = visitor.get("/login", params={"token": token})
    assert again.status_code == 401
    assert "rapport login" in again.text
    assert token not in again.text


@pytest.mark.parametrize("path", ["/", CUSTOMER])
def test_without_a_session_a_page_says_how_to_sign_in(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert title(answer.text) == "Please sign in"
    assert "customers/" not in answer.text


@pytest.mark.parametrize(
    ("role", "portfolio", "customer"),
    [("admin", 200, 200), ("marketer", 200, 200), ("auditor", 403, 200), ("emitter", 403, 403)],
)
def test_each_role_sees_the_pages_its_actions_allow(
    come_in: Callable[[str], TestClient], role: str, portfolio: int, customer: int
) -> None:
    client = come_in(role)
    assert client.get("/").status_code == portfolio
    assert client.get(CUSTOMER).status_code == customer


def test_every_answer_forbids_scripts_and_storage_by_others(
    come_in: Callable[[str], TestClient],
) -> None:
    client = come_in("admin")
    style = re.search(r'href="(/static/[^"]+\.css)"', client.get("/").text)
    assert style is not None
    for path in ("/", CUSTOMER, "/customers/nobody", "/login?token=x", style[1]):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        kept = "public" if path == style[1] else "no-store"
        assert headers["cache-control"].startswith(kept)


@pytest.mark.parametrize("path", ["/", "/?show=low", CUSTOMER, "/customers/nobody"])
def test_no_page_holds_a_script_or_an_inline_style(
    come_in: Callable[[str], TestClient], path: str
) -> None:
    page = come_in("admin").get(path).text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r'(?:href|src|action)="(?:https?:)?//', page)


def test_static_files_are_named_by_their_content_and_not_sent_twice(visitor: TestClient) -> None:
    style = re.search(r'href="(/static/[^"]+\.css)"', visitor.get("/").text)
    assert style is not None
    sent = visitor.get(style[1])
    assert sent.headers["content-type"] == "text/css; charset=utf-8"
    assert sent.headers["etag"].strip('"') in style[1]
    again = visitor.get(style[1], headers={"If-None-Match": sent.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_portfolio_says_what_it_stands_on(come_in: Callable[[str], TestClient]) -> None:
    page = come_in("admin").get("/").text
    assert "9 December 2011, 12:50 UTC" in page
    assert "all 52,310 recorded events counted" in page
    assert 'policy <span class="figure">default/1</span>' in page
    assert "so this page stands on 9 December 2011, the newest day with purchases" in page
    assert "The figures of 20 customers rest partly on" in page


def test_a_page_asks_at_the_suggested_or_the_chosen_instant(
    come_in: Callable[[str], TestClient], answers: Asked
) -> None:
    client = come_in("admin")
    client.get("/")
    assert answers.instants.pop() == AS_OF
    client.get("/?as_of=2011-06-30T12:00:00Z")
    assert str(answers.instants.pop()) == "2011-06-30 12:00:00+00:00"


def test_now_is_one_instant_for_score_and_explanation(
    come_in: Callable[[str], TestClient],
    answers: Asked,
) -> None:
    answers.suggested = None
    come_in("admin").get(CUSTOMER)
    assert answers.instants
    assert None not in answers.instants


def test_a_ledger_that_is_ahead_is_shown_as_loading(
    come_in: Callable[[str], TestClient], answers: Asked
) -> None:
    answers.position = 12_300
    page = come_in("admin").get("/").text
    assert "Still counting." in page
    assert 'value="12300"' in page
    assert "(23%)" in page


def test_an_empty_ledger_says_what_to_do(
    come_in: Callable[[str], TestClient], answers: Asked
) -> None:
    answers.people.clear()
    answers.position = answers.recorded = 0
    page = come_in("admin").get("/").text
    assert "No events yet" in page
    assert "rapport load online-retail" in page
    answers.recorded = 9
    assert "0 events of 9 recorded events" in come_in("admin").get("/").text


def test_the_customer_page_explains_the_score_to_the_last_thousandth(
    come_in: Callable[[str], TestClient],
) -> None:
    page = come_in("admin").get(CUSTOMER).text
    assert (
        "The lines sum to 67.458 points, exactly the score shown above (67.5 when rounded)." in page
    )
    assert "Sum of all 17 lines" in page
    assert "This group counts for at most 12 points." in page
    assert "Between <strong>29%</strong> and <strong>47%</strong> (90% interval)" in page
    assert page.count('tag-simulated">simulated') >= 6


def test_lines_that_do_not_sum_are_said_out_loud(
    come_in: Callable[[str], TestClient],
    answers: Asked,
) -> None:
    answers.explanation = {"value": "67.458", "contributions": CONTRIBUTIONS[:-1]}
    assert "These lines do not sum to the score." in come_in("admin").get(CUSTOMER).text


def test_facts_that_arrive_between_score_and_explanation_are_asked_again(
    come_in: Callable[[str], TestClient],
    answers: Asked,
) -> None:
    answers.early_scores.append("12.000")
    assert "The lines sum to 67.458 points" in come_in("admin").get(CUSTOMER).text


def test_text_from_events_is_escaped(
    come_in: Callable[[str], TestClient],
    answers: Asked,
) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    line = {"kind": "event", "group": nasty, "rule": nasty, "points": "1", "sentence": nasty}
    answers.explanation = {"value": 1, "contributions": [line]}
    page = come_in("admin").get(CUSTOMER).text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_the_timeline_goes_on_with_a_cursor_and_refuses_a_foreign_one(
    come_in: Callable[[str], TestClient],
) -> None:
    client = come_in("admin")
    assert f'href="{CUSTOMER}?cursor=older#timeline"' in client.get(CUSTOMER).text
    assert "Older part of the timeline" in client.get(f"{CUSTOMER}?cursor=older").text
    assert client.get(f"{CUSTOMER}?cursor=foreign").status_code == 422


@pytest.mark.parametrize(
    "path", [f"/customers/{customer_id(99_999)}", "/customers/email:a@b.example"]
)
def test_an_unknown_customer_is_a_page_that_says_what_to_do(
    come_in: Callable[[str], TestClient], path: str
) -> None:
    answer = come_in("admin").get(path)
    assert answer.status_code == 404
    assert title(answer.text) == "No such customer"
    assert "a@b.example" not in answer.text


@pytest.mark.parametrize("path", ["/?as_of=yesterday", f"{CUSTOMER}?as_of=1300000000"])
def test_a_day_that_is_none_is_refused_in_words(
    come_in: Callable[[str], TestClient], path: str
) -> None:
    answer = come_in("admin").get(path)
    assert answer.status_code == 422
    assert "Choose a day in the calendar" in answer.text


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("email:ADA@example.org", 303),
        (str(customer_id(2)).upper(), 303),
        ("crm:online-retail-12346", 303),
        ("crm:somebody-else", 404),
        ("ada@example.org", 422),
        ("", 422),
        ("crm:" + "x" * 5_000, 422),
    ],
)
def test_search_answers_with_an_address_without_the_reference(
    come_in: Callable[[str], TestClient], reference: str, status: int
) -> None:
    answer = come_in("admin").post("/search", data={"ref": reference}, headers={"Origin": ADDRESS})
    assert answer.status_code == status
    if status == 303:
        assert re.fullmatch(r"/customers/[0-9a-f-]{36}", answer.headers["location"])
    elif reference:
        assert reference not in answer.text


def test_search_keeps_the_chosen_day_and_a_reload_goes_home(
    come_in: Callable[[str], TestClient],
) -> None:
    client = come_in("admin")
    sent = {"ref": str(customer_id(2)), "as_of": "2011-06-30"}
    answer = client.post("/search", data=sent, headers={"Origin": ADDRESS})
    assert answer.headers["location"] == f"/customers/{customer_id(2)}?as_of=2011-06-30"
    assert client.get("/search").headers["location"] == "/"


def test_a_form_of_another_site_is_refused(come_in: Callable[[str], TestClient]) -> None:
    answer = come_in("admin").post(
        "/search", data={"ref": "crm:1"}, headers={"Origin": "http://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")


def test_signing_out_ends_the_session_in_the_database_too(
    come_in: Callable[[str], TestClient],
) -> None:
    client = come_in("admin")
    cookie = client.cookies[SESSION_COOKIE]
    assert client.post("/logout").status_code == 303
    client.cookies.set(SESSION_COOKIE, cookie)
    assert client.get("/").status_code == 401


@pytest.mark.parametrize(
    ("failure", "status"), [(OperationalError("secret host"), 503), (KeyError("secret name"), 500)]
)
def test_a_fault_is_a_page_without_the_faults_words(
    come_in: Callable[[str], TestClient], answers: Asked, failure: Exception, status: int
) -> None:
    answers.failure = failure
    answer = come_in("admin").get("/")
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert "again" in answer.text
