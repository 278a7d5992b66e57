"""What is not recorded and not lost: events set aside, sealed, until somebody decides.

Two reasons. `time-ahead`: the time is not to be believed yet; the body is sealed under the key of
the customer, or, if nobody knows them, under a key of its own. `suppressed`: the event is about a
person who is not to be recorded; the body is sealed under a key of its own, and nothing links it to
a customer. Nobody becomes a customer by an event that was set aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from events.errors import FieldError
from infra.plumbing.queries import Queries
from infra.plumbing.vault import erasure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.ledger.answers import NewEvent
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.seal import Person
    from infra.plumbing.vault.vault import Vault

TIME_AHEAD: Final = "time-ahead"
SUPPRESSED: Final = "suppressed"
AHEAD_ERROR: Final = FieldError(
    "/time",
    "The time lies more than 5 minutes ahead of our clock; till then the event is in quarantine.",
    "Set the sender's clock, and send the event with the time it happened, under the same id.",
)
SUPPRESSED_ERROR: Final = FieldError(
    "/subject",
    "This customer is not to be recorded; the event waits in quarantine.",
    "Nothing needs to be done. If the customer wants to be recorded again, have them released.",
)
_SQL: Final = Queries.beside("services.command", "quarantine.sql")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Kept aside, sealed, not in the ledger."""

    reason: str
    errors: tuple[FieldError, ...]

    @classmethod
    def because(cls, reason: str) -> Quarantined:
        """Set aside for `reason`, one of the two."""
        return cls(reason, (AHEAD_ERROR if reason == TIME_AHEAD else SUPPRESSED_ERROR,))


@dataclass(frozen=True, slots=True)
class Aside:
    """An event to be set aside.

    `own`: whose keys belong to this row alone. `names` and `others`: hashes of the names of people
    nobody knows, of its customer and of others in it. `person`: the number under which the customer
    is not to be recorded; None if the event is only ahead of its time.
    """

    event: NewEvent
    own: tuple[Person, ...] = ()
    names: tuple[bytes, ...] = ()
    others: tuple[bytes, ...] = ()
    person: UUID | None = None

    @property
    def reason(self) -> str:
        """Why, in a fixed word."""
        return TIME_AHEAD if self.person is None else SUPPRESSED


class Quarantine:
    """The one way into `ops.quarantine`."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        """Write through `pool`, under keys of `vault`."""
        self._pool = pool
        self._vault = vault

    def set_aside(self, found: Sequence[Aside]) -> list[bool]:
        """Keep events; False for one whose people were erased, released or suppressed meanwhile.

        The list and the keys are held until the rows are there: an erasure and a release find
        either the rows or nobody they could be about. A row that was there leaves no further key.
        """
        with self._pool.connection() as connection:
            may = self._may_be_kept(connection, found)
            kept = [each for each, good in zip(found, may, strict=True) if good]
            with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
                rows = cursor.execute(_SQL["set_aside"], _columns(kept))
                new = {stream for (own,) in rows for stream in own}
            own = [each for aside in kept for each in aside.own if each.stream in new]
            self._vault.keep(connection, own)
        return may

    def _may_be_kept(self, connection: Connection[Any], found: Sequence[Aside]) -> list[bool]:
        persons = {each.person for each in found if each.person is not None}
        withheld = erasure.hold_listed(connection, persons)
        listed = erasure.listed_among(
            connection, {name for each in found for name in (*each.names, *each.others)}
        )
        known = {each.event.stream for each in found if _is_known(each)}
        held = self._vault.hold(connection, known)
        return [
            (each.person is None or each.person in withheld)
            and (each.event.stream in held or not _is_known(each))
            and listed.isdisjoint((*each.names, *each.others))
            for each in found
        ]


def _is_known(aside: Aside) -> bool:
    """Whether it is about a customer there is, under whose key it is sealed."""
    return all(person.stream != aside.event.stream for person in aside.own)


def _columns(found: Sequence[Aside]) -> dict[str, list[Any]]:
    events = [each.event for each in found]
    return {
        "sources": [event.source for event in events],
        "event_ids": [event.event_id for event in events],
        "types": [event.type for event in events],
        "schemas": [event.schema for event in events],
        "streams": [event.stream for event in events],
        "key_ids": [event.key_id for event in events],
        "times": [event.occurred_at for event in events],
        "macs": [event.content_mac for event in events],
        "bodies": [event.body for event in events],
        "persons": [each.person for each in found],
        "reasons": [each.reason for each in found],
        "owns": [_joined(person.stream.hex for person in each.own) for each in found],
        "names": [_joined(name.hex() for name in each.names) for each in found],
        "others": [_joined(name.hex() for name in each.others) for each in found],
    }


def _joined(words: Iterable[str]) -> str:
    """Several values in one: arrays of arrays of different lengths are none to PostgreSQL."""
    return " ".join(words)
