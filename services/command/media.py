"""In which of the ways of CloudEvents over HTTP was this sent? Pure: headers in, values out.

One event (structured mode), a batch, lines of JSON, or binary mode, where the attributes stand in
`ce-` headers and the body is the data.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from events.errors import FieldError
from services.command.strict_json import BrokenJson, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADER_PREFIX: Final = "ce-"
JSON: Final = "application/json"
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTENT: Final = {
    "data": "Send the data as the body.",
    "data_base64": "Send the data as the body, as JSON.",
    "datacontenttype": "Send Content-Type instead.",
}


class Mode(Enum):
    """How events stand in a request."""

    ONE = "application/cloudevents+json"
    BATCH = "application/cloudevents-batch+json"
    LINES = "application/x-ndjson"
    BINARY = "binary"


class UnknownMediaType(Exception):
    """The request is in none of the known ways; the words list them."""


_STRUCTURED: Final = {mode.value: mode for mode in (Mode.ONE, Mode.BATCH, Mode.LINES)}
_WAYS: Final = (
    "Send application/cloudevents+json (one event), application/cloudevents-batch+json (an array), "
    "application/x-ndjson (one event a line), or ce- headers with application/json."
)


def mode_of(headers: Mapping[str, str]) -> Mode:
    """The way in which the request with these (lower case) headers holds events.

    Raises:
        UnknownMediaType: none that is known, another charset than UTF-8, or a compressed body.
    """
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnknownMediaType("Compressed bodies are not taken. Send it without Content-Encoding.")
    content_type = headers.get("content-type", "")
    essence, _, parameters = content_type.partition(";")
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1].lower() not in _UTF8_NAMES:
        raise UnknownMediaType("The charset is not UTF-8. Send UTF-8.")
    essence = essence.strip().lower()
    known = _STRUCTURED.get(essence)
    if known is not None:
        return known
    if any(name.startswith(HEADER_PREFIX) for name in headers):
        if essence == JSON or essence.endswith("+json"):
            return Mode.BINARY
        raise UnknownMediaType(
            "In binary mode the data is JSON. Send Content-Type: application/json."
        )
    raise UnknownMediaType(f"This media type holds no events. {_WAYS}")


def event_from_headers(
    headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> dict[str, Any] | list[FieldError]:
    """The event in binary mode as the object that structured mode would hold, or what is wrong.

    `headers` are names in lower case and values as received. Header values are percent-decoded
    (CloudEvents HTTP binding 3.1.3.2). Content-Type application/json is the default and left out.
    """
    event: dict[str, Any] = {}
    errors: list[FieldError] = []
    for raw_name, raw_value in headers:
        header, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        if header == "content-type" and value.partition(";")[0].strip().lower() != JSON:
            event["datacontenttype"] = value
        if not header.startswith(HEADER_PREFIX):
            continue
        name = header.removeprefix(HEADER_PREFIX)
        text = _decoded(value)
        if name in _CONTENT:
            errors.append(_header_error(name, "is no header of binary mode.", _CONTENT[name]))
        elif name in event:
            errors.append(_header_error(name, "is sent twice.", "Send it once."))
        elif text is None:
            cure = "Write it in ASCII; percent-encode the UTF-8 of other characters."
            errors.append(_header_error(name, "is not percent-encoded UTF-8.", cure))
        else:
            event[name] = text
    try:
        event["data"] = read_json(body)
    except BrokenJson as broken:
        errors.append(broken.at("/data"))
    return errors or event


def _decoded(value: str) -> str | None:
    if not value.isascii() or _BAD_ESCAPE.search(value):
        return None
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        return None


def _header_error(name: str, message: str, cure: str) -> FieldError:
    plain = name.isalnum()
    pointer = f"/{name}" if plain else ""
    return FieldError(pointer, f"{HEADER_PREFIX}{name if plain else '...'} {message}", cure)
