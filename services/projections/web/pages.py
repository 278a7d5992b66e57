"""The addresses of the pages, and what each asks before it is drawn.

`/` the portfolio, `/customers/{uuid}` one customer, `/search` and `/login` on the way there. An
outside reference is personal, so it comes by POST and leaves as a UUID: never in an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from events.errors import BadIdentifier
from events.identifiers import parse_identifier
from infra.plumbing.access import Access, Action, redeem
from infra.plumbing.http.auth import (
    SESSION_COOKIE,
    clear_session_cookie,
    require,
    set_session_cookie,
)
from services.projections.web.customer_page import customer_page
from services.projections.web.drawing import Drawing
from services.projections.web.errors import LoginSpent, NobodyFound, NotUnderstood
from services.projections.web.portfolio_page import portfolio_page
from services.projections.web.route import page_route
from services.projections.web.selection import read_selection
from services.projections.web.stand import read_as_of

if TYPE_CHECKING:
    from services.projections.web.ports import Answers

SEE_OTHER: Final = 303
SEARCH_BODY_LIMIT: Final = 4_096
"""Bytes of a search form; a reference is at most 320 characters."""


def build_pages(answers: Answers, access: Access) -> APIRouter:
    """The pages as a router, without prefix; they are not part of the API's description.

    The application must have `infra.plumbing.http.auth.install(app, access)` done.
    """
    drawing = Drawing()
    pages = Pages(answers, access, drawing)
    router = APIRouter(route_class=page_route(drawing.message), include_in_schema=False)
    portfolio = [Depends(require(Action.READ_PORTFOLIO))]
    customer = [Depends(require(Action.READ_CUSTOMER))]
    router.add_api_route("/", pages.portfolio, methods=["GET", "HEAD"], dependencies=portfolio)
    router.add_api_route(
        "/customers/{customer}", pages.customer, methods=["GET", "HEAD"], dependencies=customer
    )
    router.add_api_route("/search", pages.search, methods=["POST"], dependencies=customer)
    router.add_api_route("/search", pages.home, methods=["GET"])
    router.add_api_route("/login", pages.login, methods=["GET"])
    router.add_api_route("/logout", pages.logout, methods=["POST"])
    for asset in drawing.assets.all:
        router.add_api_route(asset.path, asset.respond, methods=["GET", "HEAD"])
    return router


class Pages:
    """The handlers. Blocking questions are asked in FastAPI's thread pool."""

    def __init__(self, answers: Answers, access: Access, drawing: Drawing) -> None:
        self._answers = answers
        self._access = access
        self._drawing = drawing

    def portfolio(self, request: Request) -> Response:
        """Everyone: chart, whom to look at first, list."""
        selection = read_selection(request.query_params)
        return portfolio_page(self._answers, self._drawing, selection)

    def customer(self, request: Request, customer: str) -> Response:
        """One customer: health and why, wallet share, signals, timeline."""
        try:
            found = UUID(customer)
        except ValueError:
            raise NobodyFound from None
        query = request.query_params
        as_of = query.get("as_of", "").strip()
        return customer_page(
            self._answers, self._drawing, found, as_of=as_of, cursor=query.get("cursor") or None
        )

    async def search(self, request: Request) -> Response:
        """From a reference to the customer's own address."""
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > SEARCH_BODY_LIMIT:
            raise NotUnderstood("The reference is too long.", "Send kind:value or a UUID.")
        form = await request.form()
        ref, as_of = (str(form.get(name, "")).strip() for name in ("ref", "as_of"))
        read_as_of(as_of)
        found = await run_in_threadpool(self._answers.find, reference(ref))
        if found is None:
            raise NobodyFound
        query = "?" + urlencode({"as_of": as_of}) if as_of else ""
        return RedirectResponse(f"/customers/{found}{query}", SEE_OTHER)

    def home(self) -> Response:
        """A reloaded search goes back to where it began."""
        return RedirectResponse("/", SEE_OTHER)

    def login(self, request: Request) -> Response:
        """A one-time token for a session, then to the portfolio."""
        with self._access.pool.connection() as conn:
            session = redeem(conn, request.query_params.get("token", ""))
        if session is None:
            raise LoginSpent
        response = RedirectResponse("/", SEE_OTHER)
        set_session_cookie(response, session, secure=request.url.scheme == "https")
        return response

    def logout(self, request: Request) -> Response:
        """End the session, here and in the browser."""
        token = request.cookies.get(SESSION_COOKIE)
        if token is not None:
            self._access.end_session(token)
        response = RedirectResponse("/", SEE_OTHER)
        clear_session_cookie(response)
        return response


def reference(text: str) -> str:
    """A reference in its one spelling: a UUID, or `kind:value`.

    Raises:
        NotUnderstood: neither; the words do not repeat it.
    """
    try:
        return str(UUID(text))
    except ValueError:
        pass
    try:
        return str(parse_identifier(text))
    except BadIdentifier as wrong:
        raise NotUnderstood(wrong.message, wrong.cure) from wrong
