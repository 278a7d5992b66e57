"""May these bytes be recorded, and as which events? Pure: no clock, no database, no HTTP answer.

A request is either refused as a whole (too much, not readable) or taken item by item: a bad item
says what is wrong with it and does not touch its neighbours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from events.envelope import Envelope, read_envelope
from events.errors import FieldError, LanguageError
from events.identifiers import Identifier, parse_identifier
from services.command.media import Mode, event_from_headers
from services.command.strict_json import (
    BOM,
    MAX_NESTING,
    BrokenJson,
    losses,
    may_have_lost,
    nul_characters,
    read_json,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from events.catalog import Catalog, EventType

MAX_EVENTS: Final = 1_000
"""Events in one request."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one request's body."""
MAX_AHEAD: Final = timedelta(minutes=5)
"""How far ahead of our clock an event's time may lie."""
OWN_SOURCE: Final = "rapport"
"""The platform's own source and, before a slash, the first part of its others.

In any case of letters and before a colon too: nobody shall look like the platform.
"""
OWN_DOMAIN: Final = "system"
"""Conclusions such as churn signals: nobody outside may record one."""
_MAX_ID_CHARS: Final = 256
_FIRST_WORD: Final = re.compile(r"[/:]")


class Accepted(NamedTuple):
    """An event that may be recorded. `event` is it as received, `written` its canonical JSON."""

    envelope: Envelope
    kind: EventType
    event: Mapping[str, Any]
    written: bytes

    @property
    def event_id(self) -> str:
        """The event's id, as of a rejected one."""
        return self.envelope.id


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that may not be recorded, and why. `problem` is a kind of HTTP problem.

    `event_id` is None where none could be read; `line` counts from 1 in lines of JSON.
    """

    errors: tuple[FieldError, ...]
    event_id: str | None = None
    problem: str = "invalid-event"
    line: int | None = None


Item = Accepted | Rejected


class Refused(Exception):
    """Nothing of the request is taken. `problem` is a kind of HTTP problem."""

    def __init__(self, problem: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.errors = errors


def read_request(
    mode: Mode, headers: Iterable[tuple[bytes, bytes]], body: bytes, catalog: Catalog
) -> list[Item]:
    """Every event in the request in order, each accepted or rejected; one for the single modes.

    Raises:
        Refused: more than MAX_EVENTS, or a batch that is no readable array.
    """
    match mode:
        case Mode.ONE:
            return [_read_one(body, catalog)]
        case Mode.BINARY:
            return [_read_binary(headers, body, catalog)]
        case Mode.BATCH:
            return _read_batch(body, catalog)
        case Mode.LINES:
            return _read_lines(body, catalog)


def _read_one(raw: bytes, catalog: Catalog, line: int | None = None) -> Item:
    try:
        value = read_json(raw)
    except BrokenJson as broken:
        return Rejected((broken.at(),), None, "broken-json", line)
    written = write_json(value)
    found = _losses(raw, [written]).get(0, ()) if written is not None else ()
    return judge(value, written, catalog, found, line)


def _read_binary(headers: Iterable[tuple[bytes, bytes]], body: bytes, catalog: Catalog) -> Item:
    event = event_from_headers(headers, body)
    if isinstance(event, list):
        return Rejected(tuple(event))
    written = write_json(event["data"])
    found = _losses(body, [written]).get(0, ()) if written is not None else ()
    moved = [FieldError(f"/data{each.pointer}", each.message, each.cure) for each in found]
    return judge(event, write_json(event), catalog, moved)


def _read_batch(raw: bytes, catalog: Catalog) -> list[Item]:
    try:
        values = read_json(raw)
        if not isinstance(values, list):
            cure = f"Send an array, or one event as {Mode.ONE.value}."
            error = FieldError("", "A batch is an array of events.", cure)
            raise Refused("invalid-event", f"{error.message} {error.cure}", [error])
        events = cast("list[object]", values)
        if len(events) > MAX_EVENTS:
            raise _too_many()
        written = [write_json(event) for event in events]
        found = _losses(raw, written)
    except BrokenJson as broken:
        raise Refused("broken-json", str(broken), [broken.at()]) from None
    return [
        judge(event, text, catalog, found.get(index, ()))
        for index, (event, text) in enumerate(zip(events, written, strict=True))
    ]


def _read_lines(raw: bytes, catalog: Catalog) -> list[Item]:
    lines = [
        (number, line)
        for number, line in enumerate(raw.removeprefix(BOM).split(b"\n"), start=1)
        if line and not line.isspace()
    ]
    if len(lines) > MAX_EVENTS:
        raise _too_many()
    return [_read_one(line, catalog, number) for number, line in lines]


def _too_many() -> Refused:
    return Refused(
        "too-large", f"The request holds more than {MAX_EVENTS} events. Send it in parts."
    )


def _losses(raw: bytes, written: Sequence[bytes | None]) -> Mapping[int, Sequence[FieldError]]:
    """What reading lost, by item. Raises BrokenJson where it is nested too deeply to be told."""
    known = [text for text in written if text is not None]
    return losses(raw) if len(known) < len(written) or may_have_lost(raw, known) else {}


def judge(
    value: object,
    written: bytes | None,
    catalog: Catalog,
    lost: Sequence[FieldError] = (),
    line: int | None = None,
) -> Item:
    """Whether `value`, in canonical JSON `written`, is an event that may be recorded.

    `lost` are errors already found in its bytes. `written` is None if it is nested too deeply.
    """
    errors: list[FieldError] = list(lost)
    if written is None:
        cure = f"Nest at most {MAX_NESTING} levels."
        errors.append(FieldError("", "The event is nested too deeply.", cure))
    elif not errors:
        errors.extend(nul_characters(value, written))
    if not errors and written is not None:
        envelope = _envelope(value)
        if isinstance(envelope, Envelope):
            checked = _check(envelope, catalog)
            if not isinstance(checked, list):
                return Accepted(envelope, checked, cast("dict[str, Any]", value), written)
            errors = checked
        else:
            errors = envelope
    return Rejected(tuple(errors), _id_of(value), line=line)


def _envelope(value: object) -> Envelope | list[FieldError]:
    if isinstance(value, list):
        cure = f"Send one object, or the array as {Mode.BATCH.value}."
        return [FieldError("", "This is an array, not an event.", cure)]
    return read_envelope(value)


def _check(envelope: Envelope, catalog: Catalog) -> EventType | list[FieldError]:
    try:
        kind = (
            catalog.latest(envelope.type)
            if envelope.schema is None
            else catalog.get(envelope.type, envelope.schema)
        )
    except LanguageError as unknown:
        return [unknown.at()]
    return kind.faults(envelope.data) or kind


def _id_of(value: object) -> str | None:
    """The event's id as far as it can be told, so that the sender finds the event again."""
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, object]", value).get("id")
    return found if isinstance(found, str) and 0 < len(found) <= _MAX_ID_CHARS else None


def foreign(item: Item, source: str | None) -> Item:
    """`item`, rejected if the platform alone says such things, or the key writes for another."""
    if isinstance(item, Rejected):
        return item
    sent = item.envelope.source
    if _looks_like_us(sent):
        cure = "Name the system that the event comes from."
        error = FieldError("/source", "Sources that begin so are the platform's own.", cure)
    elif item.kind.domain == OWN_DOMAIN:
        cure = "Send the touchpoints that lead to it; the platform draws its own conclusions."
        error = FieldError("/type", "Events of this type are made by the platform alone.", cure)
    elif source is not None and sent != source:
        cure = "Send the source the key was made for, or make a key for this one."
        error = FieldError("/source", "The key writes for another source.", cure)
    else:
        return item
    return Rejected((error,), item.envelope.id, "forbidden")


@lru_cache(maxsize=1024)
def _looks_like_us(source: str) -> bool:
    return _FIRST_WORD.split(source.strip().casefold(), 1)[0].strip() == OWN_SOURCE


def ahead(occurred_at: datetime, now: datetime) -> bool:
    """Whether an event's time lies too far in the future to be believed."""
    return occurred_at > believed_until(now)


def believed_until(now: datetime) -> datetime:
    """The latest time an event may have, to be recorded now."""
    return now + MAX_AHEAD


def identifiers_of(item: Accepted) -> list[Identifier]:
    """Every name of the customer the event is about, its subject first."""
    more = item.envelope.data.get("identifiers", ())
    return [item.envelope.who, *map(parse_identifier, more)]


def others_in(item: Accepted) -> dict[Identifier, str]:
    """Every other person named in the event's data: identifier to the JSON pointer it stands at."""
    found: dict[Identifier, str] = {}
    for field in item.kind.personal:
        if field.about == "identifier":
            for pointer, value in _values(item.envelope.data, field.path, "/data"):
                found.setdefault(parse_identifier(value), pointer)
    return found


def _values(node: Any, path: Sequence[str], pointer: str) -> Iterator[tuple[str, Any]]:
    """The values at `path` in `node` (`*` stands for every item), with their JSON pointers."""
    if not path:
        yield pointer, node
    elif path[0] == "*":
        for index, item in enumerate(node):
            yield from _values(item, path[1:], f"{pointer}/{index}")
    elif path[0] in node:
        yield from _values(node[path[0]], path[1:], f"{pointer}/{path[0]}")
