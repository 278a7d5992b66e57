"""`/v1/quarantine`: what was set aside, told without its content, and tried again on request."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from events.errors import FieldError
from events.times import format_time
from infra.plumbing.access import Action, Principal
from infra.plumbing.http.auth import require
from infra.plumbing.http.problems import Problem, field_error
from services.command.intake import MAX_AHEAD
from services.command.quarantine import TIME_AHEAD

if TYPE_CHECKING:
    from services.command.replay import Outcome, Replay, Waiting

PATH: Final = "/v1/quarantine"
MOST_ITEMS: Final = 1_000
_CURSOR: Final = re.compile(rb"after ([0-9]{1,18})")
_BAD_CURSOR: Final = FieldError(
    "/query/cursor",
    "This is no cursor of this list.",
    "Send the `next` of the page before, or none.",
)
_BUSY: Final = "Their customer is being erased, suppressed or released just now. Try again soon."

Reader = Annotated[Principal, Depends(require(Action.READ_OPERATIONS))]
Replayer = Annotated[Principal, Depends(require(Action.REPLAY))]
Number = Annotated[int, Path(description="The id of the item in the list.", ge=1, lt=2**63)]
PageCursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=64)]
Limit = Annotated[int, Query(description="Items in one page.", ge=1, le=MOST_ITEMS)]
Reason = Annotated[
    str | None,
    Query(description="Only those that wait for this reason, such as time-ahead.", max_length=64),
]


def build_router(replay: Replay) -> APIRouter:
    """The routes of the quarantine."""
    router = APIRouter(tags=["operations"])

    async def show(
        _: Reader, cursor: PageCursor = None, limit: Limit = 100, reason: Reason = None
    ) -> Response:
        """In the order in which they came. No content, and not whom an event is about."""
        found = await run_in_threadpool(replay.waiting, _after(cursor), limit, reason)
        more = found[-1].id if len(found) == limit else None
        return _page([_item(each) for each in found], more)

    async def replay_all(_: Replayer, cursor: PageCursor = None) -> Response:
        """Try again, page by page, whatever may be valid by now: go on with `next` until null.

        Left out are events still ahead of their time, and those of people not to be recorded.
        """
        found, more = await run_in_threadpool(replay.many, _after(cursor))
        return _page([_outcome(each) for each in found], more)

    async def replay_one(number: Number, _: Replayer) -> Response:
        """Run the rules of intake on the event again; what is valid now is recorded, once."""
        outcome = await run_in_threadpool(replay.one, number)
        if outcome is None:
            raise Problem("not-found", "Nothing of this id waits in quarantine; see the list.")
        return _json(_outcome(outcome))

    router.add_api_route(PATH, show, summary="What waits in quarantine")
    router.add_api_route(
        f"{PATH}/replay", replay_all, methods=["POST"], summary="Try again all that waits"
    )
    router.add_api_route(
        f"{PATH}/{{number}}/replay", replay_one, methods=["POST"], summary="Try one event again"
    )
    return router


def _item(waiting: Waiting) -> dict[str, Any]:
    """`due_at`: when it is tried by itself; null where that would change nothing."""
    ahead = waiting.reason == TIME_AHEAD
    return {
        "id": waiting.id,
        "reason": waiting.reason,
        "source": waiting.source,
        "event_id": waiting.event_id,
        "type": waiting.type,
        "occurred_at": format_time(waiting.occurred_at),
        "received_at": format_time(waiting.received_at),
        "due_at": format_time(waiting.occurred_at - MAX_AHEAD) if ahead else None,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    waiting, tried = outcome
    told = {"id": waiting.id, "source": waiting.source, "event_id": waiting.event_id}
    if tried.position is not None:
        return told | {"status": "recorded", "position": tried.position}
    reason = tried.reason or waiting.reason
    errors = [field_error(error) for error in tried.errors]
    said = told | {"status": "waiting", "reason": reason, "errors": errors}
    return said if tried.reason is not None else said | {"detail": _BUSY}


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        found = _CURSOR.fullmatch(urlsafe_b64decode(cursor))
    except ValueError:
        found = None
    if found is None:
        raise Problem("invalid-request", "The request is not valid; see errors.", [_BAD_CURSOR])
    return int(found[1])


def _page(items: list[dict[str, Any]], more: int | None) -> Response:
    after = None if more is None else urlsafe_b64encode(b"after %d" % more).decode()
    return _json({"items": items, "next": after})


def _json(told: dict[str, Any]) -> Response:
    return Response(orjson.dumps(told), 200, {"Cache-Control": "no-store"}, "application/json")
