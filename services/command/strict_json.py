"""Bytes to JSON values, with nothing quietly lost or changed on the way. Pure.

orjson is fast and strict, but keeps the last of two members with one name and reads an integer
beyond 64 bits as a float. Both would make us record something other than what was sent. A cheap
look at the bytes tells whether either is possible; only then are they read again, slowly.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from events.envelope import canonical
from events.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BOM: Final = b"\xef\xbb\xbf"
MAX_NESTING: Final = 254
"""Deeper values cannot be written again by orjson."""

_DIGITS_TO_ZERO: Final = bytes(
    ord("0") if ord("0") <= byte <= ord("9") else ord(" ") for byte in range(256)
)
_LONG_NUMBER: Final = b"0" * 19
_MAX_DIGITS: Final = 20
_ESCAPED_COLON: Final = b"\\u003"
_ESCAPED_NUL: Final = b"\\u0000"
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}")


class BrokenJson(Exception):
    """The bytes are no JSON; `message` says where and why, `cure` what to do."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure

    def at(self, pointer: str = "") -> FieldError:
        """The same as an error of the field at `pointer` (default: the whole document)."""
        return FieldError(pointer, self.message, self.cure)


def read_json(raw: bytes) -> object:
    """The JSON value in `raw`, UTF-8; one leading byte order mark is passed over (RFC 8259, 8.1).

    Raises:
        BrokenJson: not JSON, not UTF-8, NaN or an infinity, or nested too deeply.
    """
    try:
        return orjson.loads(raw.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise _broken(raw, error) from None


def _broken(raw: bytes, error: orjson.JSONDecodeError) -> BrokenJson:
    if not raw.removeprefix(BOM).strip():
        return BrokenJson("There is nothing in it.", "Send JSON.")
    where = f"line {error.lineno}, column {error.colno}"
    if "UTF-8" in error.msg:
        return BrokenJson("The text is not UTF-8.", "Send UTF-8 without lone surrogates.")
    if "depth limit" in error.msg:
        return BrokenJson(
            f"The JSON at {where} is nested too deeply.", f"Nest at most {MAX_NESTING} levels."
        )
    return BrokenJson(
        f"The JSON is broken at {where}: {error.msg}.", "Mend it there and send it again."
    )


def write_json(value: object) -> bytes | None:
    """`value` as JSON with sorted members, or None if it is nested deeper than MAX_NESTING."""
    try:
        return canonical(value)
    except orjson.JSONEncodeError:
        return None


def may_have_lost(raw: bytes, written: Sequence[bytes]) -> bool:
    """Whether reading `raw` can have lost something; `written` is what was read, written again.

    Each member has one colon outside of texts. A lost member leaves fewer colons, unless a colon
    in a text was written as an escape, which is looked for too.
    """
    return (
        raw.count(b":") != b"".join(written).count(b":")
        or _ESCAPED_COLON in raw
        or _LONG_NUMBER in raw.translate(_DIGITS_TO_ZERO)
    )


def losses(raw: bytes) -> dict[int, list[FieldError]]:
    """Read `raw`, which `read_json` could read, again and slowly, and say what was lost.

    The errors are by item where `raw` is an array, else under 0; pointers begin at the item.

    Raises:
        BrokenJson: nested too deeply.
    """
    try:
        value: object = json.loads(
            raw.removeprefix(BOM), object_pairs_hook=_pairs, parse_int=_integer
        )
    except RecursionError:
        raise BrokenJson(
            "The JSON is nested too deeply.", f"Nest at most {MAX_NESTING} levels."
        ) from None
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    found = ((index, list(_losses(item, "", 0))) for index, item in enumerate(items))
    return {index: errors for index, errors in found if errors}


class _Repeated(dict[str, Any]):
    """An object that had members with the same name."""

    names: tuple[str, ...] = ()


class _TooLong:
    """An integer beyond 64 bits."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    repeated = _Repeated(members)
    repeated.names = tuple(
        dict.fromkeys(name for name, _ in pairs if name in seen or seen.add(name))
    )
    return repeated


def _integer(text: str) -> int | _TooLong:
    if len(text) > _MAX_DIGITS:
        return _TooLong()
    value = int(text)
    return value if -(2**63) <= value < 2**64 else _TooLong()


def _losses(value: object, pointer: str, depth: int) -> Iterator[FieldError]:
    if isinstance(value, _TooLong):
        yield FieldError(
            pointer, "The integer does not fit 64 bits.", "Send it as text, or a smaller one."
        )
    if isinstance(value, _Repeated):
        for name in value.names:
            yield FieldError(
                _member(pointer, name), "A member stands twice in its object.", "Send it once."
            )
    if depth < MAX_NESTING:
        for step, inner in _children(value):
            yield from _losses(inner, _member(pointer, step), depth + 1)


def nul_characters(value: object, written: bytes) -> list[FieldError]:
    """An error for each text or member name in `value` that holds U+0000.

    `written` is `value` as JSON; unless it holds the escape there is nothing to look for.
    PostgreSQL keeps no such text, and no reader expects one.
    """
    return list(_nuls(value, "")) if _ESCAPED_NUL in written else []


def _nuls(value: object, pointer: str) -> Iterator[FieldError]:
    if isinstance(value, str) and "\x00" in value:
        yield FieldError(pointer, "The text holds the character U+0000.", "Leave it out.")
    for step, inner in _children(value):
        if "\x00" in step:
            yield FieldError(pointer, "A member's name holds U+0000.", "Rename the member.")
        yield from _nuls(inner, _member(pointer, step))


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from cast("dict[str, object]", value).items()
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield str(index), item


def _member(pointer: str, name: str) -> str:
    """The JSON pointer of a member; one whose name could be personal is told as its object."""
    return pointer if _PLAIN_NAME.fullmatch(name) is None else f"{pointer}/{name}"
