"""How `POST /v1/events` is told in the OpenAPI document. Values only."""

from __future__ import annotations

from typing import Any, Final

DESCRIPTION: Final = """\
Takes CloudEvents 1.0 in structured mode (one, an array, or one a line) or in binary mode (`ce-`
headers, the data as body): at most 1,000 events and 4 MiB. Sending the same again is safe: `source`
and `id` name an event for ever. Good events of a batch are stored whatever their neighbours are.
The `data` of each type is described by its schema. An event whose `time` lies more than 5 minutes
ahead, or that is about a person who is not to be recorded, is set aside (`quarantined`) and is not
in the ledger; one that was merely ahead is recorded when its time has come."""

_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "title": "A CloudEvents 1.0 event",
    "required": ["specversion", "id", "source", "type", "time", "subject", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256},
        "source": {"type": "string", "minLength": 1, "maxLength": 256},
        "type": {"type": "string", "examples": ["complaint.opened"]},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened, with an offset.",
        },
        "subject": {
            "type": "string",
            "description": "The customer as `kind:value`: email, phone, loyalty, crm, cookie or "
            "customer (a UUID this platform answered with).",
            "examples": ["crm:4711"],
        },
        "dataschema": {
            "type": "string",
            "description": "The version of the type's schema; the newest if left out.",
            "examples": ["1-0-0"],
        },
        "datacontenttype": {"type": "string", "default": "application/json"},
        "data": {"type": "object"},
    },
    "additionalProperties": True,
}
_RECEIPT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "status", "customer", "position", "leaf"],
    "properties": {
        "id": {"type": "string"},
        "status": {"enum": ["stored", "duplicate"]},
        "customer": {"type": "string", "format": "uuid"},
        "position": {
            "type": "integer",
            "minimum": 1,
            "description": "The event's place in the ledger.",
        },
        "leaf": {
            "type": "string",
            "contentEncoding": "base64",
            "description": "The event's leaf in the ledger's tree, 32 bytes.",
        },
    },
}
_ERRORS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["pointer", "message", "cure"],
        "properties": {
            "pointer": {"type": "string", "description": "JSON pointer from the event's root."},
            "message": {"type": "string"},
            "cure": {"type": "string"},
        },
    },
}
_REFUSAL: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "status", "errors"],
    "properties": {
        "id": {"type": ["string", "null"]},
        "status": {"enum": ["conflict", "rejected", "quarantined"]},
        "line": {"type": "integer", "description": "Counted from 1, in lines of JSON."},
        "errors": _ERRORS,
    },
}
_RESULTS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {"anyOf": [_RECEIPT, _REFUSAL]}}},
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": _ERRORS,
    },
}

OPERATION: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "items": _EVENT, "maxItems": 1000}
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One event a line."}
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "Binary mode: the data; the attributes are `ce-` headers.",
                }
            },
        },
    }
}


def _said(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _PROBLEM}}
    return {"description": description, "content": content}


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    201: _said("Stored: durable, with its receipt.", _RECEIPT),
    200: _said(
        "One event: it was stored before; its first receipt. A batch: all are stored now or were "
        "before.",
        {"anyOf": [_RECEIPT, _RESULTS]},
    ),
    207: _said("A batch in which some were not stored; each says why.", _RESULTS),
    401: _problem("No valid key."),
    403: _problem("The key's role or source does not allow it."),
    409: _problem("`event-id-reused`: the source and id are taken by another event."),
    413: _problem("More than 1,000 events or 4 MiB."),
    415: _problem("Another media type, charset or content encoding."),
    422: _problem("Not valid: a JSON pointer and a cure for each error. Or `quarantined`."),
    429: _problem("Too much is waiting; come back after Retry-After seconds. Not stored."),
    503: _problem("Not now; come back after Retry-After seconds. Not stored."),
    504: _problem(
        "`outcome-unknown`: the database did not answer; the events are stored or not. Send the "
        "same again after Retry-After seconds: they are answered as duplicates if they were."
    ),
}
