"""Which values of an event are about a person: found from the marks in its schema.

`x-personal-data: "subject"` marks a value about the customer the event is about, `"identifier"` a
`kind:value` that names another person. A mark that cannot be turned into a path is refused at
load: a value that is not found would be stored unsealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from events.errors import BadSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MARK: Final = "x-personal-data"
EACH: Final = "*"
_SAME_PLACE: Final = ("allOf", "anyOf", "oneOf")
_SAME_PLACE_ONE: Final = ("if", "then", "else")
_NO_PATH: Final = (
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "prefixItems",
    "contains",
    "not",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_ABOUT: Final = ("subject", "identifier")


@dataclass(frozen=True, slots=True)
class PersonalField:
    """Where a personal value stands in `data`: member names, `*` for every item of an array.

    `about` tells under whose key it is sealed: the event's subject, or the person the value names.
    """

    path: tuple[str, ...]
    about: Literal["subject", "identifier"]


def personal_fields(schema: Mapping[str, Any]) -> tuple[PersonalField, ...]:
    """Find every mark of a schema, each path once, outermost first.

    A marked object or array is sealed as a whole, so marks within it are not listed. Raises
    BadSchema for a mark at a place that no path can name, or with an unknown meaning.
    """
    found: dict[tuple[str, ...], PersonalField] = {}
    for field in _walk(schema, schema, ()):
        known = found.setdefault(field.path, field)
        if known.about != field.about:
            raise BadSchema(
                f"{_words(field.path)} is marked as about two different people.",
                f'Keep one {MARK}: "subject" or "identifier".',
            )
    return tuple(
        field
        for path, field in sorted(found.items(), key=lambda item: (len(item[0]), item[0]))
        if not any(path[:length] in found for length in range(1, len(path)))
    )


def without_personal(data: Mapping[str, Any], fields: Sequence[PersonalField]) -> dict[str, Any]:
    """Copy `data` with every personal value left out, sealed or not; `data` stays as it was."""
    copy = dict(data)
    for field in fields:
        if field.path[0] in copy:
            copy = cast("dict[str, Any]", _cut(copy, field.path))
    return copy


def _cut(node: object, path: Sequence[str]) -> object:
    head, rest = path[0], path[1:]
    if isinstance(node, list):
        items = cast("list[object]", node)
        if head != EACH:
            return items
        return [_cut(item, rest) for item in items] if rest else []
    if not isinstance(node, dict):
        return node
    members = cast("dict[str, object]", node)
    if head not in members:
        return members
    if not rest:
        return {name: value for name, value in members.items() if name != head}
    return {**members, head: _cut(members[head], rest)}


def _walk(root: Mapping[str, Any], node: object, path: tuple[str, ...]) -> Iterator[PersonalField]:
    if not isinstance(node, dict):
        return
    schema = cast("dict[str, Any]", node)
    if MARK in schema:
        yield _marked(root, schema, path)
    for name, child in schema.get("properties", {}).items():
        yield from _walk(root, child, (*path, name))
    yield from _walk(root, schema.get("items"), (*path, EACH))
    if "$ref" in schema:
        yield from _walk(root, _target(root, schema["$ref"]), path)
    for key in _SAME_PLACE:
        for child in schema.get(key, ()):
            yield from _walk(root, child, path)
    for key in _SAME_PLACE_ONE:
        yield from _walk(root, schema.get(key), path)
    for key in _NO_PATH:
        if _mentions_mark(root, schema.get(key)):
            raise BadSchema(
                f"A personal mark stands under {key} of {_words(path)}, where no path names it.",
                f"Mark {_words(path)} as a whole, or give the field a name of its own.",
            )


def _marked(
    root: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
) -> PersonalField:
    about = schema[MARK]
    if about not in _ABOUT:
        raise BadSchema(
            f"{_words(path)} has an {MARK} that means nothing.",
            'Write "subject" (about the customer) or "identifier" (names another person).',
        )
    if not path:
        raise BadSchema(f"The whole of data has an {MARK}.", "Mark its personal fields one by one.")
    if about == "identifier" and _format(root, schema) != "identifier":
        raise BadSchema(
            f"{_words(path)} names another person, but may hold any value.",
            'Point it to {"$ref": "#/$defs/identifier"}.',
        )
    return PersonalField(path, about)


def _format(root: Mapping[str, Any], schema: Mapping[str, Any]) -> object:
    target = _target(root, schema["$ref"]) if "$ref" in schema else schema
    return cast("dict[str, object]", target).get("format") if isinstance(target, dict) else None


def _target(root: Mapping[str, Any], reference: str) -> object:
    return root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))


def _mentions_mark(root: Mapping[str, Any], node: object) -> bool:
    if isinstance(node, list):
        return any(_mentions_mark(root, child) for child in cast("list[object]", node))
    if not isinstance(node, dict):
        return False
    schema = cast("dict[str, Any]", node)
    if MARK in schema:
        return True
    if "$ref" in schema and _mentions_mark(root, _target(root, schema["$ref"])):
        return True
    return any(_mentions_mark(root, child) for child in schema.values())


def _words(path: Sequence[str]) -> str:
    return "data" + "".join(f".{part}" for part in path)
