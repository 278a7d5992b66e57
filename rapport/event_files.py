"""Open a user's file of CloudEvents and hand out its events one by one, as bytes.

A `.ndjson` (`.jsonl`) file is read a line at a time; a `.json` file, one event or an array, is read
whole, so it has a size limit. Either way an event goes out as the bytes it is written in: whether
it is good is for the platform to say, and decoding would hide a name given twice from it.
Here only what is no JSON at all is told apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import orjson

from rapport.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_ENDINGS: Final = frozenset({".ndjson", ".jsonl"})
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""What a request may have."""
MAX_JSON_BYTES: Final = 256 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]')
"""A whole string, so that signs inside one do not count; or a sign that structures."""


class FileRefused(ProgramError):
    """The file cannot be loaded at all; `str(error)` is one sentence with the cure."""


@dataclass(frozen=True, slots=True)
class Item:
    """One event ready to be sent: `body` is one JSON value; `where` tells the reader its place."""

    where: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BadItem:
    """A piece of the file that cannot be sent as an event, with what is wrong and the cure."""

    where: str
    message: str
    cure: str


def read_file(path: Path) -> Iterator[Item | BadItem]:
    """Yield the events of `path` in order; the file is opened at once, read as you go.

    Raises:
        FileRefused: no such file, not readable, an unknown ending, or a `.json` file that is
            too large or no JSON.
    """
    ending = path.suffix.lower()
    if ending != ".json" and ending not in LINE_ENDINGS:
        raise FileRefused(
            f"{path} is neither .json nor .ndjson, and not the name of a bundled sample: "
            "give a file of CloudEvents, or online-retail."
        )
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise FileRefused(f"There is no file {path}: check the name.") from error
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}.") from error
    return _lines(file) if ending in LINE_ENDINGS else _document(file, path)


def _lines(file: BinaryIO) -> Iterator[Item | BadItem]:
    """One event a line; empty lines are passed over, as NDJSON allows."""
    with file:
        number = 0
        while line := file.readline(MAX_EVENT_BYTES + 2):
            number += 1
            where = f"line {number}"
            if len(line) > MAX_EVENT_BYTES and not line.endswith(b"\n"):
                _skip_line(file)
                yield _too_large(where)
                continue
            body = (line.removeprefix(_BOM) if number == 1 else line).strip()
            if body:
                yield _checked(where, body)


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_EVENT_BYTES)) and not rest.endswith(b"\n"):
        pass


def _checked(where: str, body: bytes) -> Item | BadItem:
    if len(body) > MAX_EVENT_BYTES:
        return _too_large(where)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return BadItem(
            where,
            f"This is not JSON ({error.msg}, column {error.colno}).",
            "Write one whole event a line, as UTF-8.",
        )
    return Item(where, body)


def _document(file: BinaryIO, path: Path) -> Iterator[Item | BadItem]:
    """A whole JSON document: an array of events, or one event."""
    with file:
        content = file.read(MAX_JSON_BYTES + 1).removeprefix(_BOM).strip()
    if len(content) > MAX_JSON_BYTES:
        raise FileRefused(
            f"{path} is larger than {MAX_JSON_BYTES // 1024**2} MiB: "
            "write it as .ndjson, one event a line, which has no limit."
        )
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise FileRefused(
            f"{path} is not JSON ({error.msg}, line {error.lineno} column {error.colno}): "
            "correct it there."
        ) from error
    return _numbered(_members(content) if content.startswith(b"[") else iter([content]))


def _members(array: bytes) -> Iterator[bytes]:
    """The members of a JSON array as they are written; `array` is known to be one."""
    depth, start = 0, 1
    for token in _TOKENS.finditer(array):
        sign = token[0]
        if sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
        if (depth == 1 and sign == b",") or depth == 0:
            member = array[start : token.start()].strip()
            if member:  # an empty array has none
                yield member
            start = token.end()


def _numbered(bodies: Iterator[bytes]) -> Iterator[Item | BadItem]:
    for number, body in enumerate(bodies, start=1):
        where = f"item {number}"
        yield _too_large(where) if len(body) > MAX_EVENT_BYTES else Item(where, body)


def _too_large(where: str) -> BadItem:
    return BadItem(
        where,
        "The event is larger than the 4 MiB a request may have.",
        "Send a smaller event; keep large texts elsewhere and refer to them.",
    )
