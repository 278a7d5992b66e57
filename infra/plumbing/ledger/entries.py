"""The lines of an export: one event each, written here and checked here line by line. Pure.

    {"position":1,"header":"<base64>","body":"<base64>","leaf":"<base64>"}
    {"position":2,"header":"<base64>","body_digest":"<base64>","leaf":"<base64>"}

Exactly these bytes, a newline behind each: a line that could be written in another way is refused.
What a line says by itself is checked here; what it says about its neighbours, in `verifying.py`.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from infra.plumbing.ledger.format import FORMAT, node_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRIES, CHECKPOINT, MANIFEST = "entries.ndjson", "checkpoint", "manifest.json"
"""The files of an export."""
CHAIN = "checkpoints"
"""The earlier checkpoints (`chain.py`); an export without any has no such file."""
LINK = struct.Struct(">16sQ32sq32s")
"""What ties an event to others: stream, version, previous leaf, recorded_at, own leaf."""
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds since 1970 of the first and the last moment of the years 1 to 9999."""

_BODY = b'","body":"'
_DIGEST = b'","body_digest":"'
_LEAF = b'","leaf":"'
_TAIL_CHARS = len(_LEAF) + 44 + len(b'"}')
_DIGEST_BYTES = 32
_PARTS, _PLACE, _HEADER, _NAME, _CONTENT, _OWN_LEAF = 14, 2, 5, 7, 9, 13
"""How many parts its quotation marks make of a line, and where in it is what differs."""
_BETWEEN, _ENDS = b"}\n{", (b"{", b"}\n")
_CONSTANT = (
    *((0, _BETWEEN), (1, b"position"), (3, b"header"), (4, b":"), (6, b",")),
    *((8, b":"), (10, b","), (11, b"leaf"), (12, b":")),
)
"""The parts that are the same in every line, with the end of the line before."""
_NO_SPARE_2 = frozenset(b"%c=" % letter for letter in b"AEIMQUYcgkosw048")
_NO_SPARE_4 = frozenset(b"%c==" % letter for letter in b"AQgw")
"""How base64 ends whose last two, or last four, bits are zero."""
_TIMES = struct.Struct(">qq")
_FIXED_BYTES = 57
_TEXTS_BEFORE_TIMES = 4


class EntryBad(ValueError):
    """A line is not an entry, or its leaf is not its own; the words say which."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an export holds: events, those whose body is there, streams."""

    events: int
    bodies: int
    streams: int


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines in a row, checked.

    `links` are packed as LINK, one for each good line; `subtrees` the largest perfect subtrees
    (level, root) over their leaves, from left to right; `fault` says what is wrong with the line
    behind the last good one.
    """

    links: bytes
    subtrees: list[tuple[int, bytes]]
    bodies: int
    fault: str | None


def write_line(position: int, header: bytes, content: bytes, leaf: bytes, *, whole: bool) -> bytes:
    """One line; `content` is the body, or its digest where the body was dropped (not `whole`)."""
    return b"".join(
        (
            b'{"position":%d,"header":"' % position,
            b2a_base64(header, newline=False),
            _BODY if whole else _DIGEST,
            b2a_base64(content, newline=False),
            _LEAF,
            b2a_base64(leaf, newline=False),
            b'"}\n',
        )
    )


def manifest(
    origin: str, counts: Counts, note: bytes, entries_digest: bytes, chain: bytes | None = None
) -> bytes:
    """`manifest.json` as it must be: counts, and SHA-256 in hexadecimal of the other files.

    `chain` is the file of earlier checkpoints; None: there is none.
    """
    earlier = {} if chain is None else {CHAIN: sha256(chain).hexdigest()}
    told = {
        "format": FORMAT,
        "origin": origin,
        "events": counts.events,
        "bodies": counts.bodies,
        "streams": counts.streams,
        "sha256": {
            CHECKPOINT: sha256(note).hexdigest(),
            **earlier,
            ENTRIES: entries_digest.hex(),
        },
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def check_lines(chunk: bytes, first: int) -> Block:
    """Check the lines in `chunk`, of which the first should stand at position `first`."""
    try:
        headers, leaves, bodies = _all_good(chunk, first)
        links = list(map(_link, headers, leaves))
    except ValueError:
        return _check_each(chunk, first)
    return Block(b"".join(links), perfect_subtrees(leaves, first - 1), bodies, None)


def _all_good(chunk: bytes, first: int) -> tuple[list[bytes], list[bytes], int]:
    """Headers, leaves and the number of bodies, of lines without a fault.

    Asks of all lines together what `read_line` asks of each, which takes two thirds of its time.

    Raises:
        ValueError: there is some fault; `read_line` tells which, and where.
    """
    parts = chunk.split(b'"')
    count = len(parts) // _PARTS
    names = parts[_NAME::_PARTS]
    if len(parts) != _PARTS * count + 1 or (parts[0], parts.pop()) != _ENDS:
        raise ValueError("a line is not written as an entry")
    parts[:1] = [_BETWEEN]  # so that every line begins in the same way
    for place, said in _CONSTANT:
        if parts[place::_PARTS] != [said] * count:
            raise ValueError("a line is not written as an entry")
    if parts[_PLACE::_PARTS] != [b":%d," % at for at in range(first, first + count)]:
        raise ValueError("another position stands there")
    headers = _all_decoded(parts[_HEADER::_PARTS])
    contents = _all_decoded(parts[_CONTENT::_PARTS])
    digests = [
        sha256(content).digest() if name == b"body" else _digest_itself(name, content)
        for name, content in zip(names, contents, strict=True)
    ]
    leaves = [
        sha256(b"\x00" + header + digest).digest()
        for header, digest in zip(headers, digests, strict=True)
    ]
    if parts[_OWN_LEAF::_PARTS] != [b2a_base64(leaf, newline=False) for leaf in leaves]:
        raise ValueError("a leaf does not belong to header and body")
    return headers, leaves, names.count(b"body")


def _all_decoded(texts: list[bytes]) -> list[bytes]:
    """What `_decoded` makes of each."""
    for end in {text[-3:] for text in texts}:
        _refuse_spare_bits(end)
    return [a2b_base64(text, strict_mode=True) for text in texts]


def _digest_itself(name: bytes, content: bytes) -> bytes:
    """What stands there where the body was dropped."""
    if name != b"body_digest" or len(content) != _DIGEST_BYTES:
        raise EntryBad("the line is not written as an entry")
    return content


def _check_each(chunk: bytes, first: int) -> Block:
    """The same, line by line, up to the first fault."""
    *lines, rest = chunk.split(b"\n")
    links: list[bytes] = []
    leaves: list[bytes] = []
    bodies = 0
    fault = "the line has no end" if rest else None
    try:
        for position, line in enumerate(lines, first):
            header, leaf, whole = read_line(line, position)
            links.append(_link(header, leaf))
            leaves.append(leaf)
            bodies += whole
    except EntryBad as bad:
        fault = str(bad)
    return Block(b"".join(links), perfect_subtrees(leaves, first - 1), bodies, fault)


def read_line(line: bytes, position: int) -> tuple[bytes, bytes, bool]:
    """Header, leaf, and whether the body is there, of a line without its newline.

    Raises:
        EntryBad: it is not written as an entry of this position, or the leaf is not its own.
    """
    before = b'{"position":%d,"header":"' % position
    start = len(before)
    header_end = line.find(b'"', start)
    if not line.startswith(before) or header_end < 0:
        raise EntryBad("another position stands there, or no entry")
    header = _decoded(line[start:header_end])
    if whole := line.startswith(_BODY, header_end):
        digest = sha256(_decoded(line[header_end + len(_BODY) : -_TAIL_CHARS])).digest()
    elif line.startswith(_DIGEST, header_end):
        digest = _decoded(line[header_end + len(_DIGEST) : -_TAIL_CHARS])
    else:
        raise EntryBad("the line is not written as an entry")
    leaf = sha256(b"\x00" + header + digest).digest()
    if len(digest) != _DIGEST_BYTES or line[-_TAIL_CHARS:] != b'%b%b"}' % (
        _LEAF,
        b2a_base64(leaf, newline=False),
    ):
        raise EntryBad("the leaf does not belong to header and body")
    return header, leaf, whole


def perfect_subtrees(leaves: Sequence[bytes], index: int) -> list[tuple[int, bytes]]:
    """The largest perfect subtrees over `leaves`, of which the first has leaf index `index`."""
    found: list[tuple[int, bytes]] = []
    for at, leaf in enumerate(leaves, index):
        level, node = 0, leaf
        while at >> level & 1 and found and found[-1][0] == level:
            node = node_hash(found.pop()[1], node)
            level += 1
        found.append((level, node))
    return found


def _link(header: bytes, leaf: bytes) -> bytes:
    """A packed LINK, out of a packed header; each text is seen to be UTF-8 of the stated length.

    Raises:
        EntryBad: the header is not of format 1.
    """
    try:
        at = _FIXED_BYTES
        for _ in range(_TEXTS_BEFORE_TIMES):
            at += 2 + (header[at] << 8 | header[at + 1])
        occurred_at, recorded_at = _TIMES.unpack_from(header, at)
        behind = at + _TIMES.size
        end = behind + 2 + (header[behind] << 8 | header[behind + 1])
    except (IndexError, struct.error):
        raise EntryBad("the header is not of format 1") from None
    if (
        end != len(header)
        or header[0] != FORMAT
        or not (EARLIEST <= occurred_at <= LATEST and EARLIEST <= recorded_at <= LATEST)
        or not (_is_utf8(header, _FIXED_BYTES, at) and _is_utf8(header, behind, end))
    ):
        raise EntryBad("the header is not of format 1")
    return header[1:_FIXED_BYTES] + header[at + 8 : behind] + leaf


def _is_utf8(header: bytes, start: int, end: int) -> bool:
    """Whether the texts between are UTF-8, each behind its length."""
    if header[start:end].isascii():
        return True  # the lengths between them do not matter then
    while start < end:
        behind = start + 2 + (header[start] << 8 | header[start + 1])
        try:
            header[start + 2 : behind].decode()
        except UnicodeDecodeError:
            return False
        start = behind
    return True


def _decoded(text: bytes) -> bytes:
    """Strict base64, in the one form that encodes to itself."""
    try:
        found = a2b_base64(text, strict_mode=True)
    except ValueError:
        raise EntryBad("it is not written as base64") from None
    _refuse_spare_bits(text[-3:])
    return found


def _refuse_spare_bits(end: bytes) -> None:
    """Only the last group of base64 can be written in several ways, by bits that are not zero."""
    if end.endswith(b"=") and not (end[-2:] in _NO_SPARE_2 or end in _NO_SPARE_4):
        raise EntryBad("it is not written as base64")
