"""What a page's figures stand on: which instant, how much of the ledger, which policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from events.errors import BadTime
from events.times import parse_time
from services.projections.web.errors import NotUnderstood
from services.projections.web.words import day, instant_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

EARLIEST, LATEST = 1970, 2100
DAY_CHARS = len("2011-12-09")


@dataclass(frozen=True, slots=True)
class Stand:
    """`position` is the last event counted, `recorded` the number of events in the ledger.

    `chosen`: the reader asked for this instant. Otherwise the page chose `suggested`, or today.
    """

    as_of: datetime
    position: int
    recorded: int
    policy_version: str
    chosen: bool
    suggested: datetime | None

    @property
    def complete(self) -> bool:
        """Is every recorded event counted?"""
        return self.position >= self.recorded

    @property
    def percent(self) -> int:
        """How much of the ledger is counted, never rounded up to 100."""
        return min(99, self.position * 100 // self.recorded) if self.recorded else 100

    @property
    def date(self) -> str:
        """The day, for the date field."""
        return self.as_of.date().isoformat()

    @property
    def because_old(self) -> bool:
        """Did the page choose an earlier day because hardly anybody bought lately?"""
        return not self.chosen and self.suggested is not None

    @property
    def own_choice(self) -> str:
        """The day the page would choose by itself, in words."""
        return "today" if self.suggested is None else day(self.suggested)


def read_as_of(text: str) -> datetime | None:
    """The instant in an address: RFC 3339 with offset, or a day, meaning its last second in UTC.

    None for an empty text.

    Raises:
        NotUnderstood: neither, or outside the years 1970 to 2100.
    """
    if not text:
        return None
    cure = "Choose a day in the calendar, or give an instant such as 2011-12-09T12:00:00Z."
    try:
        if len(text) == DAY_CHARS:
            found = datetime.combine(datetime.fromisoformat(text), time(23, 59, 59), UTC)
        else:
            found = parse_time(text)
    except (ValueError, BadTime) as wrong:
        raise NotUnderstood("The day to show is not a date.", cure) from wrong
    if not EARLIEST <= found.year <= LATEST:
        raise NotUnderstood(f"Only the years {EARLIEST} to {LATEST} can be shown.", cure)
    return found


def read_stand(
    answer: Mapping[str, Any],
    progress: Mapping[str, Any],
    *,
    chosen: bool,
    suggested: datetime | None,
) -> Stand | None:
    """The stand of an answer that names `as_of`, `position` and `policy_version`.

    None if the answer has no instant.
    """
    as_of = instant_or_none(answer.get("as_of"))
    if as_of is None:
        return None
    position = int(answer.get("position") or 0)
    return Stand(
        as_of=as_of,
        position=position,
        recorded=max(int(progress.get("recorded") or 0), position),
        policy_version=str(answer.get("policy_version") or "none"),
        chosen=chosen,
        suggested=suggested,
    )
