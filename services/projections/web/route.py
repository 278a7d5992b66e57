"""One page request from outside in: refusals become pages, answers get their security headers.

The query API answers the same refusals as problem+json; a person in a browser gets a page.
"""

from __future__ import annotations

from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from fastapi.routing import APIRoute
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from infra.plumbing.http.problems import KINDS, Problem
from services.projections.errors import BadQuestion, NotYetVisible, Unknown
from services.projections.web.errors import NobodyFound, NotUnderstood, PageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No script at all, no style but our own file, nothing from or for another origin."""

_LOG = structlog.get_logger(__name__)


class Message(Protocol):
    """Draws a message page."""

    def __call__(
        self, *, status: int, title: str, words: str, cure: str, command: str = ""
    ) -> Response:
        """The page."""
        ...


def page_route(message: Message) -> type[APIRoute]:
    """The route class of all pages; `message` draws what is refused."""

    class PageRoute(APIRoute):
        """A route whose refusals are pages."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    response = await inner(request)
                except Exception as error:  # noqa: BLE001 - the last hand of a page; it logs
                    response = refusal(error, message)
                return dress(response)

            return handler

    return PageRoute


def dress(response: Response) -> Response:
    """The answer with what every page carries."""
    for name, value in SECURITY_HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def refusal(error: Exception, message: Message) -> Response:
    """The page for what went wrong. Faults are logged by class and place, never by their words."""
    match error:
        case PageError():
            page = error
        case Unknown():
            page = NobodyFound()
        case BadQuestion():
            page = NotUnderstood(error.message, error.cure)
        case Problem():
            return _problem(error, message)
        case NotYetVisible():
            return message(
                status=503,
                title="Not counted yet",
                words="The event just recorded is not in these figures yet.",
                cure="Load the page again in a moment.",
            )
        case _:
            return _fault(error, message)
    return message(
        status=page.status,
        title=page.title,
        words=page.words,
        cure=page.cure,
        command=page.command,
    )


def _problem(problem: Problem, message: Message) -> Response:
    if problem.kind == "unauthenticated":
        page = message(
            status=401,
            title="Please sign in",
            words="These pages show customers, so they open only for people who signed in. "
            "A session lasts twelve hours.",
            cure="Open the login address that was printed at the start, or have whoever runs the "
            "platform make a new one with:",
            command="rapport login",
        )
        page.headers.update(problem.headers or {})
        return page
    return message(
        status=int(KINDS[problem.kind].status),
        title=KINDS[problem.kind].title.replace("This key", "Your role"),
        words=problem.detail.replace("A key with the role", "The role"),
        cure="Ask whoever runs this platform for a login with another role.",
    )


def _fault(error: Exception, message: Message) -> Response:
    away = isinstance(error, OperationalError | PoolTimeout)
    _LOG.error(
        "page_database_unavailable" if away else "page_failed",
        fault=type(error).__name__,
        at=[f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-3:]],
    )
    if away:
        return message(
            status=503,
            title="The figures cannot be read just now",
            words="The database does not answer. Nothing is lost: recorded events are on disk.",
            cure="Load the page again in a moment.",
        )
    return message(
        status=500,
        title="A fault of ours",
        words="This page could not be drawn. The log says where it failed.",
        cure="Load the page again; if it fails again, report the time it happened.",
    )
