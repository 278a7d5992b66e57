"""What a reader may ask: instants, pages, cursors. Values only; nothing here does I/O.

A cursor is opaque: base64 of what the next page needs. It carries the instant of the first page,
so that all pages of one reading tell of the same moment.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from events.errors import BadTime
from events.times import format_time, parse_time
from services.projections.errors import BadQuestion

if TYPE_CHECKING:
    from datetime import datetime

MOST_ITEMS = 1000
"""Items on one page, at most."""
USUAL_ITEMS = 100
_LONGEST_CURSOR = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """Which facts count: `as_of` what had happened by then, `known_at` what was recorded by then.

    `known_at` None means everything folded so far.
    """

    as_of: datetime
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: after `key`, in the listing `listing`, at `as_of`."""

    listing: str
    as_of: datetime
    key: tuple[Any, ...]

    def __str__(self) -> str:
        """The opaque text."""
        packed = orjson.dumps([self.listing, format_time(self.as_of), self.key])
        return urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(text: str, listing: str, kinds: tuple[type, ...]) -> Cursor:
    """The cursor of `listing` that `text` is, the parts of its key of these `kinds` exactly.

    Raises:
        BadQuestion: it is none of ours, or of another listing.
    """
    try:
        packed = urlsafe_b64decode(text[:_LONGEST_CURSOR] + "=" * (-len(text) % 4))
        made_for, as_of, key = orjson.loads(packed)
        fits = made_for == listing and tuple(map(type, key)) == kinds
        cursor = Cursor(listing, parse_time(as_of), tuple(key)) if fits else None
    except (ValueError, TypeError, BadTime):
        cursor = None
    if cursor is None:
        raise BadQuestion(
            "cursor",
            "This is not a cursor of this list in this order.",
            "Send `next` of the last answer unchanged, with the same filters, or leave it out.",
        )
    return cursor


def read_time(parameter: str, text: str | None) -> datetime | None:
    """The instant of a query parameter, None where it was left out.

    Raises:
        BadQuestion: not RFC 3339 with an offset.
    """
    if text is None:
        return None
    try:
        return parse_time(text)
    except BadTime as wrong:
        raise BadQuestion(parameter, wrong.message, wrong.cure) from None


def short_label(customer: str) -> str:
    """A pseudonym short enough to read: the first eight characters of the customer's id."""
    return customer[:8]
