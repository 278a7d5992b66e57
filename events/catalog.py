"""Which events there are, and whether one is well said. Found by walking folders, never listed.

Loaded once at start; a folder that cannot be used stops the program with words. Checking an event
takes microseconds: one compiled validator per version, and errors are put in words only if any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import jsonschema_rs
import orjson

from events.errors import BadSchema, FieldError, UnknownType, UnknownVersion
from events.faults import field_errors, nearest
from events.formats import CHECKS
from events.names import version_order
from events.personal import PersonalField, personal_fields
from events.schema_files import SchemaFile, schema_files, shared_definitions
from events.sentences import Sentence, compile_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact

BUILT_IN: Final = Path(__file__).parent / "schemas"
_NUL_IN_JSON: Final = b"\\u0000"


@dataclass(frozen=True, slots=True)
class EventType:
    """One version of one touchpoint: what it says, how long it is kept, whom it is about.

    `schema` is the whole JSON Schema of the event's `data`; `examples` are such data objects;
    `retention` names a class of `events.retention`; `sentence` is the template's source.
    """

    domain: str
    type: str
    version: str
    title: str
    sentence: str
    retention: str
    schema: dict[str, Any] = field(repr=False)
    examples: tuple[dict[str, Any], ...] = field(repr=False)
    personal: tuple[PersonalField, ...]
    validator: jsonschema_rs.Draft202012Validator = field(repr=False, compare=False)
    say: Sentence = field(repr=False, compare=False)

    def faults(self, data: object) -> list[FieldError]:
        """Tell what is wrong with an event's `data` that was read from JSON and holds no U+0000.

        Raises UnicodeEncodeError for a text that no JSON in UTF-8 can have held.
        """
        if self.validator.is_valid(data):
            return []
        return field_errors(self.schema, self.validator.iter_errors(data))


class Catalog:
    """Every event type found at load, by name and version."""

    def __init__(self, types: Mapping[tuple[str, str], EventType]) -> None:
        self._types = dict(types)
        self._latest: dict[str, EventType] = {}
        for each in sorted(self._types.values(), key=lambda each: version_order(each.version)):
            self._latest[each.type] = each

    @classmethod
    def load(cls, *extra_dirs: Path) -> Catalog:
        """Read the built-in schemas and those of the operator's folders.

        Raises BadSchema, naming the file and the cure, for a folder that cannot be used and for a
        type that two folders define.
        """
        shared = shared_definitions(BUILT_IN)
        types: dict[tuple[str, str], EventType] = {}
        homes: dict[str, Path] = {}
        for folder in (BUILT_IN, *extra_dirs):
            for file in schema_files(folder, shared):
                home = folder / file.domain
                if homes.setdefault(file.type, home) != home:
                    raise BadSchema(
                        f"{file.type} is defined in {homes[file.type]} and in {home}.",
                        "Keep one of them, or give one another name.",
                    )
                types[file.type, file.version] = _event_type(file)
        return cls(types)

    def types(self) -> list[EventType]:
        """List every version of every type, by domain, name and version."""
        return sorted(
            self._types.values(),
            key=lambda each: (each.domain, each.type, version_order(each.version)),
        )

    def latest(self, type_name: str) -> EventType:
        """Give the newest version of a type. Raises UnknownType with the nearest name."""
        known = self._latest.get(type_name)
        if known is None:
            raise self._unknown_type(type_name)
        return known

    def get(self, type_name: str, version: str) -> EventType:
        """Give one version of a type. Raises UnknownType or UnknownVersion."""
        known = self._types.get((type_name, version))
        if known is not None:
            return known
        newest = self.latest(type_name)
        cure = f"Send version {newest.version}, or leave dataschema out to mean the newest."
        raise UnknownVersion("The type has no such version.", cure)

    def check(self, type_name: str, version: str | None, data: object) -> list[FieldError]:
        """Tell what is wrong with an event's `data`; nothing if it may be recorded.

        `version` None means the newest. Never raises: an unknown type or version is an error at
        `/type` or `/dataschema`.
        """
        try:
            kind = self.latest(type_name) if version is None else self.get(type_name, version)
        except (UnknownType, UnknownVersion) as unknown:
            return [unknown.at()]
        try:
            return kind.faults(data) or _unstorable(data)
        except UnicodeEncodeError:
            return [_NOT_JSON]

    def sentence(self, fact: Fact) -> str:
        """Say a fact in one plain sentence, without its personal values. Never raises.

        A fact of a version or type that is no longer in the catalog is said by what is known.
        """
        kind = self._types.get((fact.type, fact.schema)) or self._latest.get(fact.type)
        if kind is None:
            return f"An event of the type {fact.type}."
        return kind.say(fact.data)

    def _unknown_type(self, type_name: str) -> UnknownType:
        meant = nearest(type_name, self._latest)
        hint = f"Did you mean {meant}? " if meant else ""
        cure = f"{hint}`rapport list schemas` shows every type."
        return UnknownType("The event's type is not known here.", cure)


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """Give the catalog of the built-in types, loaded once."""
    return Catalog.load()


_NUL: Final = FieldError(
    "/data", "data holds a NUL character.", "Take the character U+0000 out of its texts."
)
_NOT_JSON: Final = FieldError(
    "/data",
    "data holds what cannot be written as JSON.",
    "Send texts as valid UTF-8 without lone surrogates, and whole numbers of at most 64 bits.",
)


def _unstorable(data: object) -> list[FieldError]:
    """Refuse what has no bytes, and the one character PostgreSQL cannot keep in a text.

    The bytes are searched first because that is quick; only a hit is looked at closely.
    """
    try:
        if _NUL_IN_JSON not in orjson.dumps(data):
            return []
    except orjson.JSONEncodeError:
        return [_NOT_JSON]
    return [_NUL] if _holds_nul(data) else []


def _holds_nul(value: object) -> bool:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return any("\0" in name for name in members) or any(map(_holds_nul, members.values()))
    if isinstance(value, list):
        return any(map(_holds_nul, cast("list[object]", value)))
    return isinstance(value, str) and "\0" in value


def _event_type(file: SchemaFile) -> EventType:
    """Compile one schema file and try it on its own examples."""
    schema = file.schema
    try:
        personal = personal_fields(schema)
        say = compile_sentence(
            schema["x-sentence"], schema["title"], sorted(schema["properties"]), personal
        )
    except BadSchema as wrong:
        raise BadSchema(f"{file.where}: {wrong.message}", wrong.cure) from wrong
    kind = EventType(
        domain=file.domain,
        type=file.type,
        version=file.version,
        title=schema["title"],
        sentence=schema["x-sentence"],
        retention=schema["x-retention-class"],
        schema=schema,
        examples=tuple(schema["examples"]),
        personal=personal,
        validator=_validator(file),
        say=say,
    )
    _try_examples(file, kind)
    return kind


def _validator(file: SchemaFile) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            file.schema,
            validate_formats=True,
            ignore_unknown_formats=False,
            formats=CHECKS,
            offline=True,
        )
    except (ValueError, jsonschema_rs.ReferencingError) as wrong:
        place = "/".join(str(part) for part in getattr(wrong, "instance_path", ()))
        cure = f"Look at {place or 'the whole file'}: {getattr(wrong, 'message', wrong)}."
        raise BadSchema(f"{file.where} is not a JSON Schema.", cure) from wrong


def _try_examples(file: SchemaFile, kind: EventType) -> None:
    for number, example in enumerate(kind.examples, start=1):
        first = next(iter(field_errors(kind.schema, kind.validator.iter_errors(example))), None)
        if first is not None:
            raise BadSchema(
                f"{file.where}: example {number} is refused by its own schema at {first.pointer}.",
                f"{first.message} {first.cure}",
            )
        if kind.say(example) == f"{kind.title}.":
            raise BadSchema(
                f"{file.where}: the sentence fails on example {number}.",
                "Test optional fields with {% if data.field %} before they are used.",
            )
