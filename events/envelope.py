"""The envelope around every event: CloudEvents 1.0, read strictly. Nothing here knows the types.

Nothing is coerced or filled in: what is missing or badly said comes back as field errors with a
JSON pointer from the event's root, and none of them repeats a value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import orjson

from events.errors import BadAttribute, FieldError, LanguageError
from events.identifiers import Identifier, parse_identifier
from events.names import is_type_name, is_version
from events.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

SPEC_VERSION: Final = "1.0"
MAX_TEXT: Final = 256
MAX_EXTENSIONS: Final = 32
MAX_EXTENSION_NAME: Final = 64
MAX_EXTENSION_TEXT: Final = 1024
RESERVED: Final = frozenset({"originalsubject"})
JSON_MEDIA_TYPE: Final = "application/json"
_INT32: Final = range(-(2**31), 2**31)
_NOT_PLAIN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EMAIL_WITHIN: Final = re.compile(r"[^\s@]@[^\s@.]+\.[^\s@.]")
_EXTENSION_NAME: Final = re.compile(rf"[a-z0-9]{{1,{MAX_EXTENSION_NAME}}}")
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+\-]+\+)?json[ \t]*(?:;.*)?", re.IGNORECASE)
_OPTIONAL: Final = frozenset({"dataschema", "datacontenttype"})


class Envelope(NamedTuple):
    """One event as it was sent, understood but not judged: its `data` is not checked yet.

    `time` is in UTC, `time_text` as sent. `who` is the subject in its one spelling. `schema` is
    the version asked for, None for the newest. `extensions` are the other attributes, as sent.
    """

    id: str
    source: str
    type: str
    time: datetime
    time_text: str
    subject: str
    who: Identifier
    data: dict[str, Any]
    schema: str | None
    extensions: Mapping[str, str | int | bool]
    datacontenttype: str


def canonical(obj: object) -> bytes:
    """Give the same bytes for the same JSON value, whatever the order of its names.

    Raises orjson.JSONEncodeError for what is not JSON (a lone surrogate, an over-deep value).
    """
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


def read_envelope(obj: object) -> Envelope | list[FieldError]:
    """Read one event in structured JSON form; a list of errors (never empty) if it is not one.

    An optional attribute that is null counts as absent, as CloudEvents says.
    """
    if not isinstance(obj, dict):
        return [FieldError("", "The event is not an object.", "Send a CloudEvents 1.0 object.")]
    event = cast("dict[str, Any]", obj)
    errors: list[FieldError] = []
    try:
        _spec_version(event["specversion"])
        others = len(event) > len(_REQUIRED)
        envelope = Envelope(
            _id(event["id"]),
            _source(event["source"]),
            _type(event["type"]),
            parse_time(event["time"]),
            event["time"],
            event["subject"],
            parse_identifier(event["subject"]),
            _data(event["data"]),
            _optional(event, "dataschema", errors) if others else None,
            _extensions(event, errors) if others else {},
            (_optional(event, "datacontenttype", errors) if others else None) or JSON_MEDIA_TYPE,
        )
    except (KeyError, LanguageError):
        return _faults(event)
    return _faults(event) if errors else envelope


def _faults(event: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with an envelope in which something is."""
    errors: list[FieldError] = []
    for name, (reader, example) in _REQUIRED.items():
        try:
            reader(event[name])
        except KeyError:
            errors.append(_missing(name, example))
        except LanguageError as wrong:
            errors.append(wrong.at(f"/{name}"))
    _extensions(event, errors)
    for name in ("dataschema", "datacontenttype"):
        _optional(event, name, errors)
    return errors


def _missing(name: str, example: str) -> FieldError:
    return FieldError(f"/{name}", f"{name} is missing.", f"Add {name}: {example}.")


def _text(value: object, limit: int) -> str:
    """Accept a CloudEvents String of 1 to `limit` characters (up to four bytes each)."""
    if not isinstance(value, str):
        raise BadAttribute("It is not text.", f"Send it as text of 1 to {limit} characters.")
    if not value or len(value) > limit:
        raise BadAttribute("It is empty or too long.", f"Send 1 to {limit} characters.")
    if not value.isprintable() and _NOT_PLAIN.search(value):  # the first look is the quick one
        raise BadAttribute("It holds a control character.", "Send plain text, without U+0000 etc.")
    return value


def _spec_version(value: object) -> str:
    if value != SPEC_VERSION:
        raise BadAttribute("The version of CloudEvents is not the one read here.", 'Send "1.0".')
    return SPEC_VERSION


def _id(value: object) -> str:
    cure = "Send an opaque id, for example a hash of it: an id is kept for ever, unsealed."
    return _no_email(_text(value, MAX_TEXT), "The id", cure)


def _source(value: object) -> str:
    cure = "Name the system that sends the event: a source is kept for ever, unsealed."
    return _no_email(_text(value, MAX_TEXT), "The source", cure)


def _no_email(text: str, what: str, cure: str) -> str:
    if "@" in text and _EMAIL_WITHIN.search(text):
        raise BadAttribute(f"{what} holds what looks like an e-mail address.", cure)
    return text


def _type(value: object) -> str:
    text = _text(value, MAX_TEXT)
    if not _named(text):
        cure = 'Send lower-case words with dots, such as "purchase.completed".'
        raise BadAttribute("The type is not an event type's name.", cure)
    return text


_named = lru_cache(maxsize=1024)(is_type_name)
"""Many events, few types."""


def _data(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAttribute("The data is not an object.", "Send an object with the type's fields.")
    return cast("dict[str, Any]", value)


_REQUIRED: Final[Mapping[str, tuple[Callable[[object], object], str]]] = {
    "specversion": (_spec_version, '"1.0"'),
    "id": (_id, 'your own number of this event, such as "order-536365"'),
    "source": (_source, 'the system that sends it, such as "shop"'),
    "type": (_type, 'what happened, such as "purchase.completed"'),
    "time": (parse_time, 'when it happened, such as "2026-03-01T09:30:00Z"'),
    "subject": (parse_identifier, 'the customer, such as "crm:4711"'),
    "data": (_data, "an object with the type's fields"),
}


def _optional(event: Mapping[str, Any], name: str, errors: list[FieldError]) -> str | None:
    value: object = event.get(name)
    if value is None:
        return None
    try:
        text = _text(value, MAX_EXTENSION_TEXT)
        return _schema(text, event.get("type")) if name == "dataschema" else _json(text)
    except BadAttribute as wrong:
        errors.append(wrong.at(f"/{name}"))
        return None


def _json(text: str) -> str:
    if _JSON.fullmatch(text) is None:
        cure = f'Leave datacontenttype out, or send "{JSON_MEDIA_TYPE}".'
        raise BadAttribute("The data's media type is not JSON.", cure)
    return text


def _schema(text: str, type_name: object) -> str:
    """Find the version in `1-0-0`, or in a URI that ends in `/<type>/<version>`."""
    before, _, version = text.rpartition("/")
    if not is_version(version):
        cure = 'Send a version such as "1-0-0", a URI that ends in /<type>/<version>, or nothing.'
        raise BadAttribute("The dataschema names no version.", cure)
    if before and before.rpartition("/")[2] != type_name:
        cure = "Send the schema of the event's own type."
        raise BadAttribute("The dataschema is of another type.", cure)
    return version


def _extensions(event: Mapping[str, Any], errors: list[FieldError]) -> dict[str, str | int | bool]:
    kept: dict[str, str | int | bool] = {}
    others = [name for name in event if name not in _REQUIRED and name not in _OPTIONAL]
    if len(others) > MAX_EXTENSIONS:
        cure = f"Send at most {MAX_EXTENSIONS} attributes of your own."
        errors.append(FieldError("", "The event has too many attributes.", cure))
        return kept
    for name in others:
        try:
            _extension_name(name)
            if event[name] is not None:
                kept[name] = _extension_value(event[name])
        except BadAttribute as wrong:
            plain = _EXTENSION_NAME.fullmatch(name) or name in _FOREIGN
            errors.append(wrong.at(f"/{name}" if plain else ""))
    return kept


_FOREIGN: Final = {"data_base64": 'Send "data" as a JSON object.'}


def _extension_name(name: str) -> None:
    if name in RESERVED:
        cure = "Leave it out: it is written by the platform."
        raise BadAttribute("This attribute is reserved.", cure)
    if name in _FOREIGN:
        raise BadAttribute("Binary data is not read here.", _FOREIGN[name])
    if _EXTENSION_NAME.fullmatch(name) is None:
        cure = (
            f"Name attributes with 1 to {MAX_EXTENSION_NAME} lower-case letters and digits; "
            "fields of the event belong in data."
        )
        raise BadAttribute("An attribute has a name that CloudEvents does not allow.", cure)


def _extension_value(value: object) -> str | int | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in _INT32:
        return value
    if isinstance(value, int | float | list | dict):
        cure = "Send text, a whole number of 32 bits, or true or false."
        raise BadAttribute("The attribute is of a kind that CloudEvents does not have.", cure)
    cure = "Leave it out, or send it in a personal field of data: an attribute is kept unsealed."
    text = "" if value == "" else _text(value, MAX_EXTENSION_TEXT)
    return _no_email(text, "The attribute", cure)
