"""`/v1/audit/...`: the audit over HTTP. Thin: who may, which words, which status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Query

# FastAPI reads the annotations of routes at run time, so these are no type-checking imports.
from starlette.responses import Response, StreamingResponse

from events.errors import FieldError
from infra.plumbing.access import Action, Principal
from infra.plumbing.http.auth import require
from infra.plumbing.http.parameters import known_only
from infra.plumbing.http.problems import Problem
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.merkle import ProofError
from services.command.audit.service import (
    Audit,
    AuditError,
    BadPurpose,
    BadReference,
    encoded,
    finding_shape,
)
from services.command.service import NOT_NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.command.audit.service import History

MOST: Final = 2**63 - 1
"""The largest number PostgreSQL keeps a position in."""
JSON: Final = "application/json"
NOTE: Final = "text/plain; charset=utf-8"

T = TypeVar("T")

_reads = require(Action.READ_HISTORY)
Reader = Annotated[Principal, Depends(_reads)]
Position = Annotated[int, Path(ge=1, le=MOST, description="Place in the ledger, from 1 on.")]
Asked = Annotated[int, Query(ge=1, le=MOST, description="Place in the ledger, from 1 on.")]
Size = Annotated[
    int | None,
    Query(ge=0, le=MOST, description="How many events the tree has. Default: all there are now."),
]
Ref = Annotated[str, Path(description="A customer's UUID, or an identifier as `kind:value`.")]
Purpose = Annotated[
    str | None,
    Query(
        min_length=1,
        pattern=r"\S",
        max_length=500,
        description="Why personal values are read; it is recorded. Without it they stay sealed.",
    ),
]


def build_router(audit: Audit) -> APIRouter:
    """The audit routes, answered by `audit`."""
    allowed = [Depends(_reads), Depends(known_only)]
    router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=allowed)
    _proof_routes(router, audit)
    _event_routes(router, audit)
    return router


def _proof_routes(router: APIRouter, audit: Audit) -> None:
    def checkpoint() -> Response:
        """The newest checkpoint: size and root of the log, signed (C2SP signed note)."""
        return Response(_answered(audit.checkpoint), media_type=NOTE)

    def inclusion(position: Asked, size: Size = None) -> Response:
        """That the event at `position` is among the first `size` (RFC 9162, 2.1.3)."""
        return _json(_answered(lambda: audit.inclusion(position, size)))

    def consistency(
        old: Annotated[int, Query(alias="from", ge=0, le=MOST, description="The smaller size.")],
        new: Annotated[
            int | None,
            Query(alias="to", ge=0, le=MOST, description="The larger size. Default: all."),
        ] = None,
    ) -> Response:
        """That the first `to` events begin with the first `from` (RFC 9162, 2.1.4)."""
        return _json(_answered(lambda: audit.consistency(old, new)))

    router.add_api_route("/checkpoint", checkpoint)
    router.add_api_route("/proofs/inclusion", inclusion)
    router.add_api_route("/proofs/consistency", consistency)


def _event_routes(router: APIRouter, audit: Audit) -> None:
    def event(who: Reader, position: Position, purpose: Purpose = None) -> Response:
        """The event as it was hashed: header, body (or its digest, if it was dropped), leaf.

        `findings` names what no longer fits its leaf, or is not in the tree; it is not opened. This
        read is recorded in the customer's own history. Personal values stay sealed unless a
        purpose is stated; then `opened` is the body with the customer's own values readable.
        """
        return _json(_answered(lambda: audit.event(position, who, purpose)))

    def customer(who: Reader, ref: Ref, size: Size = None, purpose: Purpose = None) -> Response:
        """Everything recorded of one customer, in order, each event with its inclusion proof.

        Versions count up without a hole and each header holds the leaf of the event before, so
        nothing can be missing in between; `findings` names what is. Where there are none among the
        first `size`, `begins` proves the first to stand behind them. This read is recorded.
        """
        found = _answered(lambda: audit.history(ref, size, who, purpose))
        return StreamingResponse(_streamed(found), media_type=JSON)

    router.add_api_route("/events/{position}", event)
    router.add_api_route("/customers/{ref}", customer)


def _answered(ask: Callable[[], T]) -> T:
    """What `ask` answers.

    Raises:
        Problem: what it met instead.
    """
    try:
        return ask()
    except BadPurpose as bad:
        raise _not_valid("/query/purpose", str(bad), "Leave it out to read sealed.") from None
    except BadReference as bad:
        cure = "Use a customer's UUID or kind:value, e.g. crm:4711."
        raise _not_valid("/path/ref", str(bad), cure) from None
    except AuditError as error:
        raise Problem("not-found", str(error)) from None
    except ProofError as error:
        cure = "Positions begin at 1, and no size exceeds the ledger's; see /readyz."
        raise _not_valid("/query", str(error), cure) from None
    except LedgerGap as gap:
        words = f"The ledger is damaged. {gap} Check an export against a checkpoint you hold."
        raise Problem("internal", words) from None
    except NOT_NOW:
        words = "This read is not known to be recorded, so nothing is shown. Ask again."
        raise Problem("unavailable", words) from None


def _not_valid(pointer: str, message: str, cure: str) -> Problem:
    error = FieldError(pointer, message, cure)
    return Problem("invalid-request", "The question is not valid; see errors.", [error])


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type=JSON)


def _streamed(found: History) -> Iterator[bytes]:
    """A history as one JSON object, event by event, so that its length does not matter."""
    start = {"customer": found.customer, "size": found.size, "root": encoded(found.root)}
    yield orjson.dumps(start)[:-1] + b',"events":['
    between = b""
    for event in found.events():
        yield between + orjson.dumps(event)
        between = b","
    if between == b"":
        yield b'],"begins":' + orjson.dumps(found.begins()) + b',"findings":'
    else:
        yield b'],"findings":'
    yield orjson.dumps([finding_shape(each) for each in found.findings]) + b"}"
