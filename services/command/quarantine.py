"""What is not recorded and not lost: events set aside, sealed, until somebody decides.

Two reasons. `time-ahead`: the time is not to be believed yet; the body is sealed under the key of
the customer. `suppressed`: the event is about a person who is not to be recorded; the body is
sealed under a key of its own, and nothing links it to a customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from events.errors import FieldError
from infra.plumbing.queries import Queries
from infra.plumbing.vault import erasure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from infra.plumbing.ledger.answers import NewEvent
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.seal import Person
    from infra.plumbing.vault.vault import Vault

TIME_AHEAD: Final = "time-ahead"
SUPPRESSED: Final = "suppressed"
AHEAD_ERROR: Final = FieldError(
    "/time",
    "The time lies more than 5 minutes ahead of our clock; the event waits in quarantine.",
    "Set the sender's clock, or send the time at which it happened.",
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

    errors: tuple[FieldError, ...] = (AHEAD_ERROR,)


@dataclass(frozen=True, slots=True)
class Withheld:
    """An event not to be recorded about `person`, sealed under the key of `stranger`."""

    event: NewEvent
    stranger: Person
    person: UUID


class Quarantine:
    """The one way into `ops.quarantine`."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        """Write through `pool`, under keys of `vault`."""
        self._pool = pool
        self._vault = vault

    def keep_early(self, events: Sequence[NewEvent]) -> list[bool]:
        """Set aside events that lie ahead; False for one whose customer was erased meanwhile.

        The keys are held until the rows are there, so an erasure finds either the row or no key.
        """
        with self._pool.connection() as connection:
            held = self._vault.hold(connection, {event.stream for event in events})
            kept = [event for event in events if event.stream in held]
            columns = _columns(kept) | {"persons": [None] * len(kept), "reason": TIME_AHEAD}
            connection.execute(_SQL["set_aside"], columns)
        return [event.stream in held for event in events]

    def withhold(self, found: Sequence[Withheld]) -> list[bool]:
        """Set aside events about people not to be recorded, each under a key of its own.

        False for one whose person was erased or released meanwhile. The list is held until the
        rows are there, so a release and an erasure find them.
        """
        with self._pool.connection() as connection:
            persons = {each.person for each in found}
            listed = erasure.hold_listed(connection, persons)
            kept = [each for each in found if each.person in listed]
            with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
                columns = _columns([each.event for each in kept])
                columns |= {"persons": [each.person for each in kept], "reason": SUPPRESSED}
                new = {stream for (stream,) in cursor.execute(_SQL["set_aside"], columns)}
            strangers = [each.stranger for each in kept if each.stranger.stream in new]
            self._vault.keep(connection, strangers)
        return [each.person in listed for each in found]


def _columns(events: Sequence[NewEvent]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {
        "sources": [event.source for event in events],
        "event_ids": [event.event_id for event in events],
        "types": [event.type for event in events],
        "schemas": [event.schema for event in events],
        "streams": [event.stream for event in events],
        "key_ids": [event.key_id for event in events],
        "times": [event.occurred_at for event in events],
        "macs": [event.content_mac for event in events],
        "bodies": [event.body for event in events],
    }
    return columns
