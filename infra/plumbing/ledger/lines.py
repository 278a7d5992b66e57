"""What the lines of an export say by themselves: many checked together, or one by one. Pure.

`entries.py` tells their form; what a line says about its neighbours is checked in `verifying.py`.
A helping process imports this file alone, and it imports nothing that takes long to load. Base64 is
a quarter of the work, so it is read by `pybase64`; where something is wrong, the standard library
decides.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence  # noqa: TC003 - `typing` would double a helper's start
from hashlib import sha256

from pybase64 import b64decode

BODY, DIGEST, LEAF = b'","body":"', b'","body_digest":"', b'","leaf":"'
"""What stands between header, content and leaf."""
LINK = struct.Struct(">16sQ32sq32s")
"""What ties an event to others: stream, version, previous leaf, recorded_at, own leaf."""
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds since 1970 of the first and the last moment of the years 1 to 9999."""

_FORMAT = 1
_STRICT = True
"""To `b64decode`, which by the name of its parameter would take twice the time."""
_TAIL_CHARS = len(LEAF) + 44 + len(b'"}')
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
_USUAL_TIMES = b"\x00\x01\x02"
"""How a time begins that is certainly one of the years 1970 to 8819."""
_FIXED_BYTES = 57
_TEXTS_BEFORE_TIMES = 4


class EntryBad(ValueError):
    """A line is not an entry, or its leaf is not its own; the words say which."""


class Block:
    """Some lines in a row, checked.

    `links` are packed as LINK, one for each good line; `subtrees` the largest perfect subtrees
    (level, root) over their leaves, from left to right; `fault` says what is wrong with the line
    behind the last good one.
    """

    __slots__ = ("bodies", "fault", "links", "subtrees")

    def __init__(
        self, links: bytes, subtrees: list[tuple[int, bytes]], bodies: int, fault: str | None
    ) -> None:
        """Hold what was found."""
        self.links, self.subtrees, self.bodies, self.fault = links, subtrees, bodies, fault

    @property
    def count(self) -> int:
        """How many good lines there are."""
        return len(self.links) // LINK.size


def check_lines(chunk: bytes, first: int) -> Block:
    """Check the lines in `chunk`, of which the first should stand at position `first`."""
    try:
        headers, leaves, bodies = _all_good(chunk, first)
        links = _all_links(headers, leaves)
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
    return [b64decode(text, None, _STRICT) for text in texts]


def _digest_itself(name: bytes, content: bytes) -> bytes:
    """What stands there where the body was dropped."""
    if name != b"body_digest" or len(content) != _DIGEST_BYTES:
        raise EntryBad("the line is not written as an entry")
    return content


def _all_links(headers: list[bytes], leaves: list[bytes]) -> list[bytes]:
    """What `_link` makes of each. Most headers of one length have their parts in the same places.

    Raises:
        EntryBad: a header is not of format 1.
    """
    by_length: dict[int, list[bytes]] = {}
    for header in headers:
        by_length.setdefault(len(header), []).append(header)
    times = {length: _common_times(alike) for length, alike in by_length.items()}
    return [
        header[1:_FIXED_BYTES] + header[at + 8 : at + 16] + leaf
        if (at := times[len(header)])
        and header[_FIXED_BYTES:at].isascii()
        and header[at + 16 :].isascii()
        else _link(header, leaf)
        for header, leaf in zip(headers, leaves, strict=True)
    ]


def _common_times(alike: list[bytes]) -> int:
    """Where the times stand in headers of one length; 0 if that must be asked of each.

    It need not be if all have the same format byte and text lengths, and usual times. A byte of all
    of them is one step through them joined.
    """
    header, joined = alike[0], b"".join(alike)
    lengths = _lengths_at(header)
    at = lengths[-1] - _TIMES.size
    for place in (0, *lengths, *(place + 1 for place in lengths)):
        if joined[place :: len(header)] != header[place : place + 1] * len(alike):
            return 0
    begins = joined[at :: len(header)] + joined[at + 8 :: len(header)]
    return 0 if header[0] != _FORMAT or begins.translate(None, _USUAL_TIMES) else at


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
    if whole := line.startswith(BODY, header_end):
        digest = sha256(_decoded(line[header_end + len(BODY) : -_TAIL_CHARS])).digest()
    elif line.startswith(DIGEST, header_end):
        digest = _decoded(line[header_end + len(DIGEST) : -_TAIL_CHARS])
    else:
        raise EntryBad("the line is not written as an entry")
    leaf = sha256(b"\x00" + header + digest).digest()
    if len(digest) != _DIGEST_BYTES or line[-_TAIL_CHARS:] != b'%b%b"}' % (
        LEAF,
        b2a_base64(leaf, newline=False),
    ):
        raise EntryBad("the leaf does not belong to header and body")
    return header, leaf, whole


def perfect_subtrees(leaves: Sequence[bytes], index: int) -> list[tuple[int, bytes]]:
    """The largest perfect subtrees over `leaves`, of which the first has leaf index `index`."""
    rising: list[tuple[int, bytes]] = []
    falling: list[tuple[int, bytes]] = []
    nodes, level = list(leaves), 0
    while nodes:
        if index & 1:  # the right half of a pair whose left half is not here
            rising.append((level, nodes.pop(0)))
        if len(nodes) & 1:
            falling.append((level, nodes.pop()))
        pairs = zip(nodes[::2], nodes[1::2], strict=True)
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        index, level = index + 1 >> 1, level + 1
    return rising + falling[::-1]


def _lengths_at(header: bytes) -> list[int]:
    """Where in a header the lengths of its texts stand; the times are before the last.

    Raises:
        EntryBad: the lengths do not fit into the header.
    """
    found: list[int] = []
    at = _FIXED_BYTES
    try:
        for number in range(_TEXTS_BEFORE_TIMES + 1):
            at += _TIMES.size if number == _TEXTS_BEFORE_TIMES else 0
            found.append(at)
            at += 2 + (header[at] << 8 | header[at + 1])
    except IndexError:
        at = -1
    if at != len(header):
        raise EntryBad("the header is not of format 1")
    return found


def _link(header: bytes, leaf: bytes) -> bytes:
    """A packed LINK, out of a packed header; each text is seen to be UTF-8 of the stated length.

    Raises:
        EntryBad: the header is not of format 1.
    """
    behind = _lengths_at(header)[-1]
    at = behind - _TIMES.size
    occurred_at, recorded_at = _TIMES.unpack_from(header, at)
    if (
        header[0] != _FORMAT
        or not (EARLIEST <= occurred_at <= LATEST and EARLIEST <= recorded_at <= LATEST)
        or not (_is_utf8(header, _FIXED_BYTES, at) and _is_utf8(header, behind, len(header)))
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
    if len(text) % 4:  # four letters and then a sign of padding pass there
        raise EntryBad("it is not written as base64")
    _refuse_spare_bits(text[-3:])
    return found


def _refuse_spare_bits(end: bytes) -> None:
    """Only the last group of base64 can be written in several ways, by bits that are not zero."""
    if end.endswith(b"=") and not (end[-2:] in _NO_SPARE_2 or end in _NO_SPARE_4):
        raise EntryBad("it is not written as base64")
