"""Stored bodies with their personal values opened, for whoever may read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from infra.plumbing.vault.master import KeyGone
from infra.plumbing.vault.seal import ORIGINAL_SUBJECT, Place, escape, open_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

_SEALED = ["key", "sealed"]
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[1-9][0-9]*")
"""`<stream>/<number>`. What a sender calls `key` and `sealed` is theirs, unless it reads so."""


def sealed_values(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Every sealed value of a stored body with the JSON pointer it stands at."""
    return _walk(orjson.loads(body), "")


def open_body(body: bytes, stream: UUID, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """A stored body of `stream`, each value opened whose key is in `keys` (key id to key).

    A value under another key stays sealed, and so does one that only looks like a sealed one.
    """
    event = orjson.loads(body)
    place = Place.of(stream, event["source"], event["id"])
    return cast("dict[str, Any]", _opened(event, "", place, keys))


def as_received(body: bytes, stream: UUID, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """The event as its sender wrote it, out of a stored body of `stream`.

    Raises:
        KeyGone: a value is sealed under a key that is not in `keys`.
    """
    for pointer, sealed in sealed_values(body):
        if sealed["key"] not in keys:
            raise KeyGone(f"The key of the value at {pointer} is gone.")
    event = open_body(body, stream, keys)
    if ORIGINAL_SUBJECT in event:
        event["subject"] = event.pop(ORIGINAL_SUBJECT)
    return event


def _walk(node: object, pointer: str) -> Iterator[tuple[str, dict[str, str]]]:
    if isinstance(node, list):
        for index, item in enumerate(cast("list[object]", node)):
            yield from _walk(item, f"{pointer}/{index}")
    elif isinstance(node, dict):
        members = cast("dict[str, object]", node)
        if _is_sealed(members):
            yield pointer, cast("dict[str, str]", members)
            return
        for name, value in members.items():
            yield from _walk(value, f"{pointer}/{escape(name)}")


def _opened(node: object, pointer: str, place: Place, keys: Mapping[str, bytes]) -> object:
    if isinstance(node, list):
        items = cast("list[object]", node)
        return [_opened(item, f"{pointer}/{at}", place, keys) for at, item in enumerate(items)]
    if not isinstance(node, dict):
        return node
    members = cast("dict[str, Any]", node)
    if _is_sealed(members):
        return _open(cast("dict[str, str]", members), pointer, place, keys)
    return {
        name: _opened(value, f"{pointer}/{escape(name)}", place, keys)
        for name, value in members.items()
    }


def _open(sealed: dict[str, str], pointer: str, place: Place, keys: Mapping[str, bytes]) -> object:
    key = keys.get(sealed["key"])
    try:
        return sealed if key is None else open_value(sealed, key, place, pointer)
    except (KeyGone, ValueError):
        return sealed


def _is_sealed(members: Mapping[str, object]) -> bool:
    if sorted(members) != _SEALED:
        return False
    key_id, sealed = members["key"], members["sealed"]
    return isinstance(key_id, str) and isinstance(sealed, str) and bool(_KEY_ID.fullmatch(key_id))
