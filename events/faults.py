"""A refused field in words: where, what is wrong, what to do. Never the refused value itself.

The validator's own messages quote the value, so none of them is used: each kind of error is said
again from the schema. A schema can say it better with `x-problem` and `x-cure` beside its rule.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
from jsonschema_rs import ValidationErrorKind as Kind

from events.errors import FieldError, LanguageError
from events.formats import READERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jsonschema_rs import ValidationError

    Schema = Mapping[str, Any]

MAX_ERRORS: Final = 20
_SHORT: Final = 80
_OPENING: Final = re.compile(r"^The \w+ ")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,63}")
_TYPES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_LIMITS: Final = {
    "minLength": ("is too short", "text with at least this many characters: {}"),
    "maxLength": ("is too long", "text with at most this many characters: {}"),
    "minItems": ("has too few items", "at least this many items: {}"),
    "maxItems": ("has too many items", "at most this many items: {}"),
    "minProperties": ("has too few fields", "at least this many fields: {}"),
    "maxProperties": ("has too many fields", "at most this many fields: {}"),
    "minimum": ("is too small", "{} or more"),
    "maximum": ("is too large", "{} or less"),
    "exclusiveMinimum": ("is too small", "more than {}"),
    "exclusiveMaximum": ("is too large", "less than {}"),
    "multipleOf": ("is no multiple", "a multiple of {}"),
}


def field_errors(schema: Schema, errors: Iterable[ValidationError]) -> list[FieldError]:
    """Say the validator's errors of one event's `data`: at most 20, one for each place."""
    said: dict[str, FieldError] = {}
    for error in errors:
        for fault in _said(schema, error):
            said.setdefault(fault.pointer, fault)
        if len(said) >= MAX_ERRORS:
            break
    return list(said.values())[:MAX_ERRORS]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name that `name` was probably meant to be."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _said(root: Schema, error: ValidationError) -> list[FieldError]:
    node = _rule(root, error.schema_path)
    path = error.instance_path
    match error.kind:
        case Kind.AdditionalProperties(unexpected=names):
            return [_unexpected(path, name, node) for name in names]
        case Kind.Required(property=name):
            return [_missing(path, name, root, node)]
        case kind:
            message, cure = _words(kind, node, error.instance)
            return [_fault(path, message, cure)]


def _unexpected(path: Sequence[str | int], name: str, node: Schema) -> FieldError:
    known = sorted(node.get("properties", {}))
    if _PLAIN_NAME.fullmatch(name) is None:
        cure = f"Use its fields: {', '.join(known)}."
        return _fault(path, "has a field with a name that no field here has", cure)
    meant = nearest(name, known)
    cure = f"Did you mean {meant}?" if meant else f"Leave it out; known: {', '.join(known)}."
    return _fault([*path, name], "is not a field of this type", cure)


def _missing(path: Sequence[str | int], name: str, root: Schema, node: Schema) -> FieldError:
    field = _resolved(root, node.get("properties", {}).get(name, {}))
    return _fault([*path, name], "is missing", f"Add it{_about(field)}.")


def _words(kind: Kind, node: Schema, instance: object) -> tuple[str, str]:
    """Say what is wrong at a place and the cure; the schema's own words come first."""
    message, cure = _general_words(kind, node, instance)
    if isinstance(kind, Kind.Pattern | Kind.Not | Kind.Type | Kind.Format):
        own_cure = node.get("x-cure")
        if not isinstance(kind, Kind.Type):
            message = node.get("x-problem", message)
        return message, own_cure or cure
    return message, cure


def _general_words(kind: Kind, node: Schema, instance: object) -> tuple[str, str]:
    words: tuple[str, str]
    match kind:
        case Kind.Type(types=types):
            wanted = " or ".join(_TYPES[name] for name in types)
            words = f"is {_kind_of(instance)}, not {wanted}", f"Send {wanted}{_example(node)}."
        case Kind.Enum(options=options):
            words = "is not one of the known values", f"Send one of {_list(options)}."
        case Kind.Constant(expected_value=value):
            words = "is not the one value allowed", f"Send {_list([value])}."
        case Kind.Format(format=name):
            words = _misread(name, node, instance)
        case Kind.UniqueItems():
            words = "repeats an item", "Send each item once."
        case _ if kind.name in _LIMITS:
            message, limit = _LIMITS[kind.name]
            words = message, f"Send {limit.format(kind.value)}."
        case _:
            words = "does not fit the type's schema", f"Compare it with the schema{_about(node)}."
    return words


def _misread(format_name: str, node: Schema, instance: object) -> tuple[str, str]:
    """Ask the reader of a format what is wrong: it knows best, and does not repeat the value."""
    read = READERS.get(format_name)
    if read is not None:
        try:
            read(instance)
        except LanguageError as wrong:
            return _OPENING.sub("", wrong.message).removesuffix("."), wrong.cure
    return f"is not a {format_name}", f"Send a valid {format_name}{_example(node)}."


def _fault(path: Sequence[str | int], message: str, cure: str) -> FieldError:
    """Make the error; a name that could itself be personal ends the pointer above it."""
    pointer = "/data"
    subject = "data"
    for part in path:
        if isinstance(part, str) and _PLAIN_NAME.fullmatch(part) is None:
            break
        pointer = f"{pointer}/{part}"
        subject = part if isinstance(part, str) else f"item {part + 1}"
    return FieldError(pointer, f"{subject} {message}.", cure)


def _rule(root: Schema, path: Sequence[str | int]) -> Schema:
    """Find the schema that holds the broken rule: the last object above the keyword."""
    node: object = root
    for part in path[:-1]:
        if isinstance(node, dict):
            node = cast("dict[str, object]", node).get(str(part), {})
        elif isinstance(node, list) and isinstance(part, int):
            node = cast("list[object]", node)[part]
    return cast("dict[str, Any]", node) if isinstance(node, dict) else {}


def _resolved(root: Schema, node: Schema) -> Schema:
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return node
    return {**root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {}), **node}


def _about(node: Schema) -> str:
    description = node.get("description")
    if not isinstance(description, str) or not description:
        return _example(node)
    first = description[0] if description[1:2].isupper() else description[0].lower()
    return f": {first}{description[1:].rstrip('.')}{_example(node)}"


def _example(node: Schema) -> str:
    examples = node.get("examples")
    example = _list(cast("list[object]", examples)[:1]) if isinstance(examples, list) else ""
    return f", for example {example}" if 0 < len(example) <= _SHORT else ""


def _list(values: Sequence[object]) -> str:
    return ", ".join(_literal(value) for value in values)


def _literal(value: object) -> str:
    return orjson.dumps(value).decode()


def _kind_of(value: object) -> str:
    match value:
        case None:
            return _TYPES["null"]
        case bool():
            return _TYPES["boolean"]
        case int() | float():
            return _TYPES["number"]
        case str():
            return _TYPES["string"]
        case list():
            return _TYPES["array"]
        case _:
            return _TYPES["object"]
