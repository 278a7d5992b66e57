"""`POST /v1/events`: the way in over HTTP. Thin: read, hand over, answer.

The route is in the OpenAPI document like any other, but its handler takes the bare request: on
the hot path the framework's solving of parameters would cost more than the reading itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from infra.plumbing.access import Action
from infra.plumbing.http import direct
from infra.plumbing.http.auth import authenticate, forbidden
from infra.plumbing.http.problems import Problem
from infra.plumbing.ledger.errors import OutcomeUnknown
from services.command.answers import batch_answer, one_answer
from services.command.gather import Closed, NoRoom, Overloaded
from services.command.intake import MAX_BYTES, Refused, foreign, read_request
from services.command.media import Mode, UnknownMediaType, mode_of
from services.command.openapi import DESCRIPTION, OPERATION, RESPONSES
from services.command.service import NOT_NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from fastapi import FastAPI

    from services.command.intake import Item
    from services.command.service import CommandService

PATH: Final = "/v1/events"
INLINE_BYTES: Final = 16 * 1024
"""A body up to this size is read at once; a larger one in a thread, so that others go on."""


class _BareRoute(APIRoute):
    """A route whose handler is its endpoint."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


class _Gone(Exception):
    """The sender went away before the body was there."""


def install(app: FastAPI, service: CommandService) -> None:
    """Add the way in to `app`, before its first request."""

    async def post_events(request: Request) -> Response:
        return await _post_events(service, request)

    router = APIRouter(route_class=_BareRoute, tags=["intake"])
    router.add_api_route(
        PATH,
        post_events,
        methods=["POST"],
        summary="Record events",
        description=DESCRIPTION,
        operation_id="post_events",
        responses=RESPONSES,
        openapi_extra=OPERATION,
        response_class=Response,
        status_code=201,
    )
    app.include_router(router)
    direct.install(app, "POST", PATH, post_events)


async def _post_events(service: CommandService, request: Request) -> Response:
    principal = await authenticate(request)
    if not principal.may(Action.RECORD_EVENTS):
        raise forbidden(principal)
    headers = _texts(request)
    try:
        mode = mode_of(headers)
        body = await _body(request, headers)
        found = await _items(service, request, mode, body)
    except UnknownMediaType as unknown:
        raise Problem("unsupported-media-type", str(unknown)) from None
    except Refused as refused:
        raise Problem(refused.problem, refused.detail, refused.errors) from None
    except _Gone:
        return Response(status_code=400)  # nobody is there to read it; nothing was stored
    items = [foreign(item, principal.source) for item in found]
    return await _answer(service, mode, items)


def _texts(request: Request) -> dict[str, str]:
    """The headers by name in lower case; of one that is sent twice the first."""
    pairs = reversed(request.scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


async def _body(request: Request, headers: Mapping[str, str]) -> bytes:
    """The body, or a refusal before more than MAX_BYTES of it are held.

    Raises:
        Problem: 413.
        _Gone: the sender went away.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> Problem:
    return Problem(
        "too-large",
        f"The body is larger than {MAX_BYTES} bytes. Send it in parts.",
        headers={"Connection": "close"},
    )


async def _items(service: CommandService, request: Request, mode: Mode, body: bytes) -> list[Item]:
    raw_headers = request.headers.raw
    if len(body) <= INLINE_BYTES:
        return read_request(mode, raw_headers, body, service.catalog)
    return await run_in_threadpool(read_request, mode, raw_headers, body, service.catalog)


async def _answer(service: CommandService, mode: Mode, items: list[Item]) -> Response:
    try:
        answers = await service.take(items)
    except NoRoom:
        raise Problem(
            "unavailable",
            "Too many bytes of events wait already. Nothing was stored; send it later.",
        ) from None
    except Overloaded:
        raise Problem(
            "too-many-requests", "Too many events wait already. Nothing was stored; send it later."
        ) from None
    except OutcomeUnknown:
        raise Problem(
            "outcome-unknown",
            "It is not known whether the events were stored. Send the same events again: they are "
            "answered as duplicates if they were.",
        ) from None
    except (Closed, *NOT_NOW):
        raise Problem(
            "unavailable",
            "This request stored nothing: the events cannot be recorded just now. Send them again.",
        ) from None
    if mode in {Mode.ONE, Mode.BINARY}:
        return one_answer(items[0].event_id, answers[0])
    return batch_answer([(item.event_id, a) for item, a in zip(items, answers, strict=True)])
