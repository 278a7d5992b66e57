"""`/v1/privacy/requests`: what a person may ask about their data, taken over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from events.errors import FieldError
from infra.plumbing.access import Action, Principal
from infra.plumbing.http.auth import require
from infra.plumbing.http.problems import Problem
from services.command.privacy.service import NobodyKnown
from services.command.privacy.shapes import PATH
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from services.command.privacy.service import Privacy

_BAD_REF: Final = FieldError(
    "/body/ref",
    "This is no reference to a customer.",
    "Send a customer UUID, or kind:value such as email:name@example.org.",
)
RequestId = Annotated[UUID, Path(description="The id that asking answered with.")]
Officer = Annotated[Principal, Depends(require(Action.MANAGE_PRIVACY))]


class Asked(BaseModel):
    """What is asked, and about whom."""

    model_config = ConfigDict(extra="forbid")

    type: Kind = Field(description="access, erase, suppress, or release (undoes suppress).")
    ref: str = Field(description="A customer UUID, or kind:value.", max_length=400)


def build_router(privacy: Privacy) -> APIRouter:
    """The routes of privacy requests."""
    router = APIRouter(tags=["privacy"])

    async def ask(asked: Asked, officer: Officer) -> Response:
        """Taken at once and worked off behind; look at `Location` for how far it is."""
        return await run_in_threadpool(_ask, privacy, asked, officer)

    async def tell(request: RequestId, _: Officer) -> Response:
        """Each store that was changed, what waits, and where the ledger says so."""
        return _json(await run_in_threadpool(privacy.tell, request))

    async def export(request: RequestId, officer: Officer) -> Response:
        """For a request of the type access: names, events with proofs, mentions by others.

        This read is recorded in the customer's history, and so stands in the export.
        """
        return _json(await run_in_threadpool(privacy.export, request, officer))

    one = f"{PATH}/{{request}}"
    asking = "Ask for access, erasure, suppression or release"
    router.add_api_route(PATH, ask, methods=["POST"], status_code=202, summary=asking)
    router.add_api_route(one, tell, summary="How far a request is, with its certificate")
    router.add_api_route(f"{one}/export", export, summary="All that is kept about a customer")
    return router


def _ask(privacy: Privacy, asked: Asked, officer: Principal) -> Response:
    try:
        request = privacy.ask(asked.type, asked.ref, officer.key_id)
    except ValueError:
        raise Problem(
            "invalid-request", "The request is not valid; see errors.", [_BAD_REF]
        ) from None
    except NobodyKnown as nobody:
        raise Problem("not-found", str(nobody)) from None
    return _json(privacy.tell(request), 202, {"Location": f"{PATH}/{request}"})


def _json(
    told: dict[str, Any] | None, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    if told is None:
        raise Problem("not-found", "There is no such privacy request.")
    sent = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(told), status, sent, "application/json")
