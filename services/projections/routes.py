"""The query API: what is asked over HTTP, and how an answer is carried back.

Every answer has `X-Position` (how far it is folded) and a weak ETag over everything but the instant
it was computed for; `If-None-Match` answers 304. `min_position` waits for read-your-writes.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query

# FastAPI reads the annotations of routes at run time, so these are no type-checking imports.
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from events.errors import FieldError
from infra.plumbing.access import Action
from infra.plumbing.http.auth import require
from infra.plumbing.http.parameters import known_only
from infra.plumbing.http.problems import Problem
from services.projections.asking import MOST_ITEMS, USUAL_ITEMS, read_time
from services.projections.errors import BadQuestion, NotYetVisible, QuestionError, Unknown
from services.projections.listing import USUAL_SORT, Filters, ListQuestion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from services.projections.answers import Answers
    from services.projections.service import ProjectionService

    Guard = Callable[[Action], list[Any]]

WAIT_SECONDS = 5.0
"""How long `min_position` waits."""
POLL_SECONDS = 0.05
UNSTEADY = frozenset({"as_of", "next"})
"""Keys that tell when an answer was computed; they say nothing about the customer."""
_UNKNOWN = "Nobody is known by that reference. Use a customer's UUID or kind:value, e.g. crm:4711."

Ref = Annotated[str, Path(description="A customer's UUID, or an identifier as `kind:value`.")]
Instant = Annotated[
    str | None,
    Query(description="RFC 3339 with offset. Default: now.", examples=["2011-12-09T00:00:00Z"]),
]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="Items on a page.")]
CursorText = Annotated[str | None, Query(description="`next` of the page before.")]
PolicyName = Annotated[str | None, Query(description="A policy version. Default: the active one.")]


class Alerted(StrEnum):
    """Which open signals: those somebody was told of, those nobody was, or both."""

    YES = "true"
    NO = "false"
    ANY = "any"

    @property
    def meant(self) -> bool | None:
        """True, False, or None for both."""
        return None if self is Alerted.ANY else self is Alerted.YES


class Asked:
    """What every question may carry: the instant, and what was recorded by when."""

    def __init__(self, as_of: Instant = None, known_at: Instant = None) -> None:
        """Take the two query parameters as they came."""
        self._as_of = as_of
        self._known_at = known_at

    @property
    def window(self) -> dict[str, Any]:
        """`as_of` and `known_at` as instants.

        Raises:
            BadQuestion: one is not RFC 3339 with an offset.
        """
        return {
            "as_of": read_time("as_of", self._as_of),
            "known_at": read_time("known_at", self._known_at),
        }


class ListAsked(Asked):
    """What a list of customers may be asked for."""

    def __init__(  # noqa: PLR0913, PLR0917 - one parameter per query parameter: FastAPI documents them
        self,
        as_of: Instant = None,
        known_at: Instant = None,
        policy: PolicyName = None,
        health_below: float | None = None,
        health_above: float | None = None,
        share_below: float | None = None,
        share_above: float | None = None,
        signal: Annotated[str | None, Query(description="Has an open signal of this kind.")] = None,
        status: Annotated[str | None, Query(description="Status of the health score.")] = None,
        simulated: Annotated[bool | None, Query(description="Has simulated events.")] = None,
        sort: Annotated[str, Query(description="A figure, `-` before it: downwards.")] = USUAL_SORT,
        cursor: CursorText = None,
    ) -> None:
        """Take the query parameters as they came."""
        super().__init__(as_of, known_at)
        self._filters = Filters(
            health_below, health_above, share_below, share_above, signal, status, simulated
        )
        self._rest: dict[str, Any] = {"policy": policy, "sort": sort, "cursor": cursor}

    def question(self, limit: int) -> ListQuestion:
        """The question, for pages of `limit`.

        Raises:
            BadQuestion: an instant is not RFC 3339 with an offset.
        """
        return ListQuestion(**self.window, filters=self._filters, limit=limit, **self._rest)


def build_router(service: ProjectionService) -> APIRouter:
    """The read routes of the contract, answered by `service`."""
    answers = service.answers
    router = APIRouter(prefix="/v1")
    guard = _guard(answers)
    _customer_routes(router, answers, guard)
    _finding_routes(router, answers, guard)
    _health_routes(router, answers, guard)
    _list_routes(router, answers, guard)
    return router


def _customer_routes(router: APIRouter, answers: Answers, guard: Guard) -> None:
    may = guard(Action.READ_CUSTOMER)

    @router.get("/customers/{ref}", tags=["customers"], dependencies=may)
    def customer(request: Request, ref: Ref, asked: Annotated[Asked, Depends()]) -> Response:
        """Who this is: counts, first and last seen, spend. Identifiers are masked."""
        return _one(request, answers, ref, lambda who: answers.customer(who, **asked.window))

    @router.get("/customers/{ref}/timeline", tags=["customers"], dependencies=may)
    def timeline(  # noqa: PLR0913, PLR0917 - one parameter per query parameter
        request: Request,
        ref: Ref,
        asked: Annotated[Asked, Depends()],
        limit: Limit = USUAL_ITEMS,
        cursor: CursorText = None,
        kind: Annotated[str | None, Query(alias="type", description="Only this type.")] = None,
        simulated: bool | None = None,  # noqa: FBT001 - FastAPI passes query parameters by name
    ) -> Response:
        """Everything that happened to the customer in plain sentences, newest first."""
        rest: dict[str, Any] = {
            "cursor": cursor,
            "limit": limit,
            "kind": kind,
            "simulated": simulated,
        }
        return _one(
            request, answers, ref, lambda who: answers.timeline(who, **asked.window, **rest)
        )


def _finding_routes(router: APIRouter, answers: Answers, guard: Guard) -> None:
    may = guard(Action.READ_CUSTOMER)

    @router.get("/customers/{ref}/wallet-share", tags=["customers"], dependencies=may)
    def wallet_share(request: Request, ref: Ref, asked: Annotated[Asked, Depends()]) -> Response:
        """Our share of the customer's spend by category, with its basis and interval."""
        return _one(request, answers, ref, lambda who: answers.wallet_share(who, **asked.window))

    @router.get("/customers/{ref}/rhythm", tags=["customers"], dependencies=may)
    def rhythm(request: Request, ref: Ref, asked: Annotated[Asked, Depends()]) -> Response:
        """How often the customer buys (weeks), and when their silence becomes long."""
        return _one(request, answers, ref, lambda who: answers.rhythm(who, **asked.window))

    @router.get("/customers/{ref}/signals", tags=["signals"], dependencies=may)
    def signals(request: Request, ref: Ref, asked: Annotated[Asked, Depends()]) -> Response:
        """Signs that this customer may leave: open, missed and cleared."""
        return _one(request, answers, ref, lambda who: answers.signals(who, **asked.window))


def _health_routes(router: APIRouter, answers: Answers, guard: Guard) -> None:
    may = guard(Action.READ_CUSTOMER)

    @router.get("/customers/{ref}/health", tags=["health"], dependencies=may)
    def health(
        request: Request, ref: Ref, asked: Annotated[Asked, Depends()], policy: PolicyName = None
    ) -> Response:
        """The relationship's health, 0 to 100, or null while too little is known."""
        return _one(
            request, answers, ref, lambda who: answers.health(who, **asked.window, policy=policy)
        )

    @router.get("/customers/{ref}/health/explain", tags=["health"], dependencies=may)
    def explain(  # noqa: PLR0913, PLR0917 - one parameter per query parameter
        request: Request,
        ref: Ref,
        asked: Annotated[Asked, Depends()],
        policy: PolicyName = None,
        start: Annotated[str | None, Query(alias="from", description="Explain a change.")] = None,
        end: Annotated[str | None, Query(alias="to", description="Default: now.")] = None,
    ) -> Response:
        """Why the score is what it is, line by line; or, with `from`, why it changed."""

        def answer(who: UUID) -> Mapping[str, Any]:
            window = asked.window
            begin, until = read_time("from", start), read_time("to", end)
            if begin is None and until is not None:
                raise BadQuestion("from", "It is missing beside `to`.", "Send both, or neither.")
            if begin is None:
                return answers.health_explain(who, **window, policy=policy)
            window["end"] = until or window.pop("as_of")
            window.pop("as_of", None)
            return answers.health_change(who, start=begin, **window, policy=policy)

        return _one(request, answers, ref, answer)


def _list_routes(router: APIRouter, answers: Answers, guard: Guard) -> None:
    portfolio_readers = guard(Action.READ_PORTFOLIO)
    signal_readers = guard(Action.READ_SIGNALS)

    @router.get("/customers", tags=["customers"], dependencies=portfolio_readers)
    def customers(
        request: Request, asked: Annotated[ListAsked, Depends()], limit: Limit = USUAL_ITEMS
    ) -> Response:
        """Customers with their scores, a page at a time."""
        return _answer(request, lambda: answers.lists.customers(asked.question(limit)))

    @router.get("/portfolio", tags=["portfolio"], dependencies=portfolio_readers)
    def portfolio(
        request: Request, asked: Annotated[ListAsked, Depends()], limit: Limit = MOST_ITEMS
    ) -> Response:
        """A page of customers with their scores, and a summary of all who match."""
        return _answer(request, lambda: answers.lists.everyone(asked.question(limit)))

    @router.get("/signals", tags=["signals"], dependencies=signal_readers)
    def all_signals(  # noqa: PLR0913, PLR0917 - one parameter per query parameter
        request: Request,
        asked: Annotated[Asked, Depends()],
        kind: Annotated[str | None, Query(description="Only this kind.")] = None,
        alerted: Annotated[Alerted, Query(description="Raised, or found too late.")] = Alerted.YES,
        limit: Limit = USUAL_ITEMS,
        cursor: CursorText = None,
    ) -> Response:
        """Every customer's open churn signals, the newest first."""
        rest: dict[str, Any] = {"kind": kind, "limit": limit, "cursor": cursor}
        return _answer(
            request,
            lambda: answers.lists.signals(**asked.window, alerted=alerted.meant, **rest),
        )


def _guard(answers: Answers) -> Guard:
    """What stands before a route: who asks, then what is asked, then the wait to see it."""
    visible = _visible(answers)
    return lambda action: [Depends(require(action)), Depends(known_only), Depends(visible)]


def _visible(answers: Answers) -> Callable[[int | None], Awaitable[None]]:
    """The dependency that waits until `min_position` is folded, without holding a thread."""

    async def visible(
        min_position: Annotated[
            int | None, Query(ge=0, description="Wait until this position is folded.")
        ] = None,
    ) -> None:
        if min_position is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_SECONDS
        while (reached := await run_in_threadpool(answers.position)) < min_position:
            if loop.time() >= until:
                raise _problem(NotYetVisible(min_position, reached))
            await asyncio.sleep(POLL_SECONDS)

    return visible


def _one(
    request: Request, answers: Answers, ref: str, ask: Callable[[UUID], Mapping[str, Any]]
) -> Response:
    """Answer a question about the customer `ref` names."""

    def about() -> Mapping[str, Any]:
        customer = answers.find(ref)
        if customer is None:
            raise Unknown(_UNKNOWN)
        return ask(customer)

    return _answer(request, about)


def _answer(request: Request, ask: Callable[[], Mapping[str, Any]]) -> Response:
    """Carry an answer back, or the problem it met."""
    try:
        answer = ask()
    except QuestionError as error:
        raise _problem(error) from error
    headers = {
        "ETag": _etag(answer),
        "X-Position": str(answer["position"]),
        "Cache-Control": "private, no-cache",
    }
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(orjson.dumps(answer), headers=headers, media_type="application/json")


def _etag(answer: Mapping[str, Any]) -> str:
    steady = {key: value for key, value in answer.items() if key not in UNSTEADY}
    return f'W/"{blake2b(orjson.dumps(steady), digest_size=12).hexdigest()}"'


def _matches(wanted: str | None, etag: str) -> bool:
    """Weak comparison, as If-None-Match asks for."""
    if wanted is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in wanted.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _problem(error: QuestionError) -> Problem:
    """The problem a question met. The statuses stand in `infra.plumbing.http.problems`."""
    match error:
        case BadQuestion():
            field = FieldError(f"/query/{error.parameter}", error.message, error.cure)
            return Problem("invalid-request", "The question is not valid; see errors.", [field])
        case NotYetVisible():
            return Problem("not-yet-visible", str(error))
        case _:
            return Problem("not-found", str(error))
