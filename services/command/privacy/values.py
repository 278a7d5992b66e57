"""What is asked about a customer's data, and what was done for it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID


class Kind(StrEnum):
    """What can be asked."""

    ACCESS = "access"
    ERASE = "erase"
    SUPPRESS = "suppress"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Name:
    """A name that no customer had when it was asked about, as its two keyed hashes.

    `lookup`: as a customer's name; `listed`: as it stands on the list.
    """

    lookup: bytes
    listed: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `stream`: the customer; or `hash` and `lookup`: of a name that nobody had.

    `person` is the number under which events are withheld that a release brings back.
    """

    id: UUID
    type: Kind
    stream: UUID | None
    hash: bytes | None
    lookup: bytes | None
    person: UUID | None
    asked_at: datetime
    done_at: datetime | None
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class Done:
    """One step that was done: what it changed in each store, and where it says so."""

    number: int
    step: str
    counts: Mapping[str, int]
    at: datetime
    positions: Sequence[int] = ()
