"""Finds the schema folders and makes each file a whole schema. A wrong one stops the program.

`<folder>/<domain>/<type>/<version>.json`, for example `commerce/purchase.completed/1-0-0.json`.
What every type has (closed objects, `identifiers`, `parties`, shared definitions) is added here,
so that a file holds only what is its own and what is published stands alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from events.errors import BadSchema
from events.names import is_type_name, is_version
from events.retention import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MIN_EXAMPLES: Final = 2
SHARED: Final = "shared.json"
_DOMAIN: Final = re.compile(r"[a-z][a-z0-9_]*")
_REFERENCE: Final = re.compile(r"#/\$defs/([A-Za-z0-9_]+)")
_EVERY_TYPE_ACCEPTS: Final = ("identifiers", "parties")
_WORDS: Final = ("title", "description", "x-sentence", "x-retention-class")
_NAMES_TO_SCHEMAS: Final = frozenset({"properties", "patternProperties", "$defs"})
_NOT_SCHEMA: Final = frozenset({"examples", "enum", "const", "default"})


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """One version of one type, with its schema made whole. `where` is for error messages."""

    domain: str
    type: str
    version: str
    schema: dict[str, Any]
    where: str


def shared_definitions(folder: Path) -> dict[str, Any]:
    """Read the definitions that every schema may point to. Raises BadSchema."""
    return dict(_read(folder / SHARED)["$defs"])


def schema_files(folder: Path, shared: Mapping[str, Any]) -> Iterator[SchemaFile]:
    """Yield every schema of a folder, by name. Raises BadSchema for anything it cannot use.

    Names that begin with a dot or an underscore and files that are not `.json` are passed over.
    """
    if not folder.is_dir():
        raise BadSchema(f"There is no schema folder {folder}.", "Check RAPPORT_SCHEMAS_DIR.")
    for domain in _entries(folder):
        if domain.is_file() and domain.name == SHARED:
            continue
        _must(_DOMAIN.fullmatch(domain.name) and domain.is_dir(), f"{domain} is not a domain", _HOW)
        for type_folder in _entries(domain):
            yield from _type_folder(domain.name, type_folder, shared)


_HOW: Final = (
    "Name it <domain>/<type>/<version>.json, as in commerce/purchase.completed/1-0-0.json."
)


def _type_folder(domain: str, folder: Path, shared: Mapping[str, Any]) -> Iterator[SchemaFile]:
    _must(
        is_type_name(folder.name) and folder.is_dir(),
        f"{folder} is not an event type's folder",
        _HOW,
    )
    files = list(_entries(folder))
    _must(files, f"{folder} holds no version", "Add 1-0-0.json to it, or remove the folder.")
    for file in files:
        _must(is_version(file.stem) and file.is_file(), f"{file} is not a version", _HOW)
        yield SchemaFile(domain, folder.name, file.stem, _whole(file, shared), str(file))


def _entries(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name[0] not in "._" and (entry.is_dir() or entry.suffix == ".json"):
            yield entry


def _read(file: Path) -> dict[str, Any]:
    try:
        document: object = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as wrong:
        place = f"line {wrong.lineno}, column {wrong.colno}"
        raise BadSchema(f"{file} is not JSON.", f"Look at {place}: {wrong.msg}.") from wrong
    _must(isinstance(document, dict), f"{file} is not a JSON object", _HOW)
    return cast("dict[str, Any]", document)


def _whole(file: Path, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Check what the house asks of a schema and add what every type has."""
    own = _read(file)
    for word in _WORDS:
        given = isinstance(own.get(word), str) and own[word].strip()
        _must(given, f"{file} has no {word}", f"Add {word} as text.")
    _must(
        own["x-retention-class"] in RETENTION,
        f"{file} has an x-retention-class that is not known",
        f"Use one of {', '.join(RETENTION)}.",
    )
    examples: object = own.get("examples")
    enough = isinstance(examples, list) and len(cast("list[object]", examples)) >= MIN_EXAMPLES
    _must(enough, f"{file} has fewer than two examples", "Add two whole data objects.")
    fields: object = own.get("properties")
    _must(isinstance(fields, dict), f"{file} has no properties", "Name the type's fields.")
    added = {name: {"$ref": f"#/$defs/{name}"} for name in _EVERY_TYPE_ACCEPTS}
    clash = [name for name in added if name in cast("dict[str, object]", fields)]
    _must(not clash, f"{file} defines {', '.join(clash)}", "Leave it out: every type has it.")
    schema = {"$schema": DIALECT, **own, "type": "object"}
    schema["properties"] = {**cast("dict[str, Any]", fields), **added}
    schema["$defs"] = _definitions(file, schema, shared)
    _close(schema)
    return schema


def _definitions(
    file: Path, schema: Mapping[str, Any], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the definitions that a schema points to, in reach of one another."""
    known = {**shared, **schema.get("$defs", {})}
    used: dict[str, Any] = {}
    waiting = [*_references(file, {**schema, "$defs": {}})]
    while waiting:
        name = waiting.pop()
        _must(name in known, f"{file} points to $defs/{name}, which is nowhere", "Define it.")
        if name not in used:
            used[name] = orjson.loads(orjson.dumps(known[name]))
            waiting.extend(_references(file, used[name]))
    _must_not_loop(file, used)
    return {name: used[name] for name in sorted(used)}


def _must_not_loop(file: Path, definitions: Mapping[str, Any]) -> None:
    """Refuse a definition that contains itself: its personal fields would have no finite path."""
    left = {name: set(_references(file, node)) for name, node in definitions.items()}
    while leaves := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in leaves:
            del left[name]
    _must(not left, f"{file} has a definition that contains itself", "Give it a fixed depth.")


def _references(file: Path, node: object) -> Iterator[str]:
    for schema in _objects(node):
        for key in ("$ref", "$dynamicRef"):
            target: object = schema.get(key)
            if isinstance(target, str):
                found = _REFERENCE.fullmatch(target)
                if found is None or key == "$dynamicRef":
                    cure = 'Write {"$ref": "#/$defs/<name>"}.'
                    raise BadSchema(f"{file} points outside itself.", cure)
                yield found.group(1)


def _close(node: object) -> None:
    """Make every object with named fields refuse other fields: a typing error loses a fact."""
    for schema in _objects(node):
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)


def _objects(node: object) -> Iterator[dict[str, Any]]:
    """Yield a schema and every schema within it, but no field names and no example values."""
    if isinstance(node, list):
        for child in cast("list[object]", node):
            yield from _objects(child)
    if isinstance(node, dict):
        schema = cast("dict[str, Any]", node)
        yield schema
        for key, child in list(schema.items()):
            if key in _NAMES_TO_SCHEMAS and isinstance(child, dict):
                yield from _objects(list(cast("dict[str, object]", child).values()))
            elif key not in _NOT_SCHEMA:
                yield from _objects(child)


def _must(holds: object, problem: str, cure: str) -> None:
    if not holds:
        raise BadSchema(f"{problem}.", cure)
