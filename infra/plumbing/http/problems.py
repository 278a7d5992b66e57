"""Answers that say no: RFC 9457 problem details, for the whole program.

`KINDS` is the one table from a kind of problem to its HTTP status. A problem never repeats what
was sent: it may be personal. It names the field by JSON pointer and says the cure.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from traceback import extract_tb
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from events.errors import FieldError
from infra.plumbing.away import AWAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1
COME_BACK: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses after which the same request may succeed; its sender is told when to send it again."""
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP status and its title."""

    status: HTTPStatus
    title: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "unauthenticated": Kind(HTTPStatus.UNAUTHORIZED, "Who is asking is not known"),
        "forbidden": Kind(HTTPStatus.FORBIDDEN, "This key may not do that"),
        "not-found": Kind(HTTPStatus.NOT_FOUND, "Nothing is here"),
        "method-not-allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method"),
        "not-acceptable": Kind(HTTPStatus.NOT_ACCEPTABLE, "Not in this form"),
        "event-id-reused": Kind(HTTPStatus.CONFLICT, "The event id is taken by another event"),
        "not-yet-visible": Kind(HTTPStatus.CONFLICT, "Not folded so far yet"),
        "too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too much in one request"),
        "unsupported-media-type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not in this form"),
        "broken-json": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Not JSON"),
        "invalid-event": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Not a valid event"),
        "quarantined": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Kept aside, not stored"),
        "invalid-request": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Not a valid request"),
        "too-many-requests": Kind(HTTPStatus.TOO_MANY_REQUESTS, "More than can be taken now"),
        "internal": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of ours"),
        "unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Not now"),
        "outcome-unknown": Kind(HTTPStatus.GATEWAY_TIMEOUT, "Stored or not: it is not known"),
    }
)
"""Every kind of problem. The key is the problem's `type`, a URI reference relative to the host."""

_OF_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: "unauthenticated",
        HTTPStatus.FORBIDDEN: "forbidden",
        HTTPStatus.NOT_FOUND: "not-found",
        HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
        HTTPStatus.NOT_ACCEPTABLE: "not-acceptable",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type",
        HTTPStatus.UNPROCESSABLE_ENTITY: "invalid-request",
        HTTPStatus.TOO_MANY_REQUESTS: "too-many-requests",
        HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    }
)


class Problem(Exception):
    """Ends a request with a problem of `kind` (a key of KINDS).

    `detail` is for the reader: what is wrong and the cure, nothing of what was sent.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> Response:
        """The answer to send."""
        return problem_response(self.kind, self.detail, self.errors, self.headers)


def problem_response(
    kind: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """`application/problem+json` with the status and title of `kind` (a key of KINDS).

    Whoever is to come back (`COME_BACK`) is told by `Retry-After` in seconds.
    """
    known = KINDS[kind]
    body: dict[str, Any] = {
        "type": kind,
        "title": known.title,
        "status": int(known.status),
        "detail": detail,
    }
    if errors:
        body["errors"] = [field_error(error) for error in errors]
    sent = dict(headers or {})
    if known.status in COME_BACK:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return Response(orjson.dumps(body), known.status, sent, MEDIA_TYPE)


def field_error(error: FieldError) -> dict[str, str]:
    """One field's error as it stands in an answer."""
    return {"pointer": error.pointer, "message": error.message, "cure": error.cure}


def install(app: FastAPI) -> None:
    """Make every refusal of `app` a problem: its own, FastAPI's and unforeseen faults."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_middleware(_Guard)


async def _on_problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return error.response()


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """What the framework refuses, as a problem."""
    if not isinstance(error, HTTPException):
        raise error
    kind = _OF_STATUS.get(error.status_code)
    if kind is None:
        return Response(status_code=error.status_code, headers=error.headers)
    return problem_response(kind, _WORDS.get(kind, KINDS[kind].title + "."), (), error.headers)


_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not-found": "Nothing is at this address. Look at the paths in /openapi.json.",
        "method-not-allowed": "This address does not take this method; see the Allow header.",
    }
)


async def _on_validation(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        FieldError(
            _pointer(found["loc"]),
            str(found["msg"]).rstrip(".") + ".",
            "See this operation in /openapi.json for what it takes.",
        )
        for found in error.errors()
    ]
    return problem_response("invalid-request", "The request is not valid; see errors.", errors)


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer into the request: /query/limit, /path/ref, /body/name."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


class _Guard:
    """The last hand: an unforeseen fault becomes a plain 500 and one line in the log.

    Neither holds the exception's words or values, which may be personal: only its class and where.
    A database that does not answer becomes a 503.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the last hand takes every fault
            response = _unforeseen(error)
            if started:
                # Too late for an answer: break the connection, and keep the words out of the log.
                raise AnswerBroken(type(error).__name__) from None
            await response(scope, receive, send)


class AnswerBroken(Exception):
    """An answer failed after its first bytes were sent; the words name only the fault's class."""


def _unforeseen(error: Exception) -> Response:
    away = isinstance(error, AWAY)
    _LOG.error(
        "database_unavailable" if away else "unforeseen_fault",
        error=type(error).__name__,
        at=[f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-3:]],
    )
    if away:
        return problem_response(
            "unavailable", "The database does not answer just now. Send the request again."
        )
    return problem_response(
        "internal", "The fault is ours and is in the log. Sending the same again is safe."
    )
