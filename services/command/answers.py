"""What the sender of events is told: the shapes of the contract, from what became of each event.

Values in, a response out. `leaf` is standard base64; `customer` is the customer's UUID.
"""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, assert_never

import orjson
from starlette.responses import Response

from events.errors import FieldError
from infra.plumbing.http.problems import field_error, problem_response
from infra.plumbing.ledger.answers import Conflict, Duplicate, Receipt, Stored
from services.command.intake import Rejected
from services.command.record import Quarantined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.command.record import Answer

JSON: Final = "application/json"
REUSED: Final = FieldError(
    "/id",
    "An event with this source and id is stored already, with another content.",
    "Give each event an id of its own; to correct an event send a new one.",
)
_DETAILS: Final = {
    "invalid-event": "The event is not valid and was not stored; see errors.",
    "broken-json": "The body is not JSON and nothing was stored; see errors.",
    "forbidden": "The key may not write this event; see errors.",
    "unavailable": "The event was not stored; see errors.",
}


def one_answer(event_id: str | None, answer: Answer) -> Response:
    """The answer to a single event: 201, 200, or a problem."""
    match answer:
        case Stored():
            return _json(HTTPStatus.CREATED, item(event_id, answer))
        case Duplicate():
            return _json(HTTPStatus.OK, item(event_id, answer))
        case Conflict():
            return problem_response("event-id-reused", f"{REUSED.message} {REUSED.cure}", [REUSED])
        case Quarantined(errors=errors):
            detail = "The event was set aside and is not in the ledger; see errors."
            return problem_response("quarantined", detail, errors)
        case Rejected(problem=problem, errors=errors):
            return problem_response(problem, _DETAILS[problem], errors)
        case _:
            assert_never(answer)


def batch_answer(answers: Sequence[tuple[str | None, Answer]]) -> Response:
    """The answer to a batch: 200 if every event is stored now or was before, else 207."""
    good = all(isinstance(answer, Stored | Duplicate) for _, answer in answers)
    results = [item(event_id, answer) for event_id, answer in answers]
    return _json(HTTPStatus.OK if good else HTTPStatus.MULTI_STATUS, {"results": results})


def item(event_id: str | None, answer: Answer) -> dict[str, Any]:
    """What became of one event."""
    match answer:
        case Stored(receipt=receipt):
            return _receipt(event_id, "stored", receipt)
        case Duplicate(receipt=receipt):
            return _receipt(event_id, "duplicate", receipt)
        case Conflict():
            return _refusal(event_id, "conflict", [REUSED])
        case Quarantined(errors=errors):
            return _refusal(event_id, "quarantined", errors)
        case Rejected(errors=errors, line=line):
            refusal = _refusal(event_id, "rejected", errors)
            return refusal if line is None else {**refusal, "line": line}
        case _:
            assert_never(answer)


def _receipt(event_id: str | None, status: str, receipt: Receipt) -> dict[str, Any]:
    return {
        "id": event_id,
        "status": status,
        "customer": receipt.stream,
        "position": receipt.position,
        "leaf": b64encode(receipt.leaf).decode(),
    }


def _refusal(event_id: str | None, status: str, errors: Sequence[FieldError]) -> dict[str, Any]:
    return {"id": event_id, "status": status, "errors": [field_error(each) for each in errors]}


def _json(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status, media_type=JSON)
