"""`POST /v1/events`: the way in over HTTP. Thin: read, hand over, answer.

The route is in the OpenAPI document like any other, but its handler takes the bare request: on
the hot path the framework's solving of parameters would cost more than the reading itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from infra.plumbing.access import Action
from infra.plumbing.http.auth import authenticate, forbidden
from infra.plumbing.http.problems import Problem
from infra.plumbing.ledger.errors import OutcomeUnknown
from services.command.answers import batch_answer, one_answer
from services.command.gather import Closed, Overloaded
from services.command.intake import MAX_BYTES, Refused, foreign, read_request
from services.command.media import Mode, UnknownMediaType, mode_of
from services.command.openapi import DESCRIPTION, OPERATION, RESPONSES
from services.command.service import NOT_NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from services.command.intake import Item
    from services.command.service import CommandService

PATH: Final = "/v1/events"
INLINE_BYTES: Final = 16 * 1024
"""A body up to this size is read at once; a larger one in a thread, so that others go on."""


class _BareRoute(APIRoute):
    """A route whose handler is its endpoint."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


def build_router(service: CommandService) -> APIRouter:
    """The routes of the command service."""
    router = APIRouter(route_class=_BareRoute, tags=["intake"])

    async def post_events(request: Request) -> Response:
        return await _post_events(service, request)

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
    return router


async def _post_events(service: CommandService, request: Request) -> Response:
    principal = await authenticate(request)
    if not principal.may(Action.RECORD_EVENTS):
        raise forbidden(principal)
    try:
        mode = mode_of(request.headers)
        body = await _body(request)
        found = await _items(service, request, mode, body)
    except UnknownMediaType as unknown:
        raise Problem("unsupported-media-type", str(unknown)) from None
    except Refused as refused:
        raise Problem(refused.problem, refused.detail, refused.errors) from None
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it; nothing was stored
    items = [foreign(item, principal.source) for item in found]
    return await _answer(service, mode, items)


async def _body(request: Request) -> bytes:
    """The body, or a refusal before more than MAX_BYTES of it are held.

    Raises:
        Problem: 413.
        ClientDisconnect: the sender went away.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _too_large()
    return bytes(body)


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
