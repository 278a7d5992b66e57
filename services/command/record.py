"""Accepted events into the ledger: whose they are, sealed, appended.

The only writer of customers' events: HTTP, proposals and every later way in come through here.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from events.errors import FieldError
from infra.plumbing.ledger.answers import Conflict, Duplicate, Fenced, NewEvent, Stored
from infra.plumbing.queries import Queries
from infra.plumbing.vault.seal import Person, seal_event
from services.command.intake import Accepted, Rejected, ahead, identifiers_of, others_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from events.identifiers import Identifier
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.answers import Outcome
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.vault import Vault

MAC_LABEL: Final = "rapport content-mac 1"
TIME_AHEAD: Final = "time-ahead"
_SQL: Final = Queries.beside("services.command", "record.sql")

_NO_CUSTOMER: Final = "No customer has this UUID."
_NO_CUSTOMER_CURE: Final = (
    "Send a customer UUID that this platform answered with, or another identifier (crm:, email:)."
)
AHEAD_ERROR: Final = FieldError(
    "/time",
    "The time lies more than 5 minutes ahead of our clock; the event waits in quarantine.",
    "Set the sender's clock, or send the time at which it happened.",
)
FENCED_ERROR: Final = FieldError(
    "/subject", "The customer is being erased just now.", "Send the event again in a minute."
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Kept aside, sealed, not in the ledger."""

    errors: tuple[FieldError, ...] = (AHEAD_ERROR,)


Answer = Stored | Duplicate | Conflict | Quarantined | Rejected


class Recorder:
    """Records accepted events. Safe for many threads; every call blocks."""

    def __init__(
        self, ledger: Ledger, vault: Vault, pool: Pool, master: Master, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._pool = pool
        self._clock = clock
        self._mac_key = master.derive(MAC_LABEL)

    def record(self, events: Sequence[Accepted]) -> list[Answer]:
        """Store `events` in order; one answer each. Sending the same again is safe.

        Raises:
            LedgerBusy, VaultBusy: not now; send the same events again.
            psycopg.OperationalError: the database does not answer.
        """
        now = self._clock()
        answers: dict[int, Answer] = {}
        for wave in _waves(events):
            answers.update(self._told(wave))
            new = {index: event for index, event in wave.items() if index not in answers}
            if new:
                answers.update(self._record(new, now))
        return [answers[index] for index in range(len(events))]

    def _told(self, events: Mapping[int, Accepted]) -> dict[int, Answer]:
        """Answer what is stored already, before anyone's identifiers are touched.

        A look without a lock; what another writer stores in between is found by the append.
        """
        known = self._ledger.known([_key(event) for event in events.values()])
        return {
            index: known[_key(event)].against(self._mac(event))
            for index, event in events.items()
            if _key(event) in known
        }

    def _record(self, events: Mapping[int, Accepted], now: datetime) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        fresh: dict[int, NewEvent] = {}
        early: list[NewEvent] = []
        sealed = self._sealed(list(events.values()), now)
        for index, ready in zip(events, sealed, strict=True):
            if isinstance(ready, Rejected):
                answers[index] = ready
            elif ahead(ready.occurred_at, now):
                answers[index] = Quarantined()
                early.append(ready)
            else:
                fresh[index] = ready
        if early:
            self._set_aside(early)
        outcomes = self._ledger.append(list(fresh.values())) if fresh else []
        for (index, event), outcome in zip(fresh.items(), outcomes, strict=True):
            answers[index] = _answer(event, outcome)
        return answers

    def _sealed(self, events: Sequence[Accepted], now: datetime) -> list[NewEvent | Rejected]:
        """Find or make every customer named, all in one call, and seal each event under keys.

        An event that goes into quarantine links no identifiers; so that it can be sealed, a
        subject or another person in it whom nobody knows becomes a customer all the same.
        """
        others = [others_in(event) for event in events]
        named = list(dict.fromkeys(identifier for found in others for identifier in found))
        groups = [identifiers_of(event) for event in events]
        early = {index for index, event in enumerate(events) if ahead(event.envelope.time, now)}
        people = self._vault.people([*groups, *([each] for each in named)], passing=early)
        known = dict(zip(named, people[len(events) :], strict=True))
        return [
            self._new_event(event, person, found, known)
            for event, person, found in zip(events, people[: len(events)], others, strict=True)
        ]

    def _new_event(
        self,
        accepted: Accepted,
        subject: Person | None,
        others: dict[Identifier, str],
        known: dict[Identifier, Person | None],
    ) -> NewEvent | Rejected:
        envelope = accepted.envelope
        parties: dict[str, Person] = {}
        errors: list[FieldError] = []
        if subject is None:
            errors.append(FieldError("/subject", _NO_CUSTOMER, _NO_CUSTOMER_CURE))
        for identifier, pointer in others.items():
            person = known[identifier]
            if person is None:
                errors.append(FieldError(pointer, _NO_CUSTOMER, _NO_CUSTOMER_CURE))
            else:
                parties[str(identifier)] = person
        if subject is None or errors:
            return Rejected(tuple(errors), envelope.id)
        return NewEvent(
            stream=subject.stream,
            source=envelope.source,
            event_id=envelope.id,
            type=envelope.type,
            schema=accepted.kind.version,
            occurred_at=envelope.time,
            body=seal_event(accepted.event, subject, parties, accepted.kind.personal),
            content_mac=self._mac(accepted),
            key_id=subject.key_id,
        )

    def _mac(self, accepted: Accepted) -> bytes:
        """What tells a repeat of the event from another one under its id."""
        return hmac.digest(self._mac_key, accepted.written, sha256)

    def _set_aside(self, events: Sequence[NewEvent]) -> None:
        columns: dict[str, Any] = {
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
        with self._pool.connection() as connection:
            connection.execute(_SQL["set_aside"], {**columns, "reason": TIME_AHEAD})


def _key(event: Accepted) -> tuple[str, str]:
    return event.envelope.source, event.envelope.id


def _waves(events: Sequence[Accepted]) -> list[dict[int, Accepted]]:
    """The first event of each source and id, by index; then those that come under the same again.

    The later ones are so answered by what became of the first, before they name anybody.
    """
    firsts: dict[tuple[str, str], int] = {}
    for index, event in enumerate(events):
        firsts.setdefault(_key(event), index)
    first = {index: events[index] for index in firsts.values()}
    again = {index: event for index, event in enumerate(events) if index not in first}
    return [first, again] if again else [first]


def _answer(event: NewEvent, outcome: Outcome) -> Answer:
    if isinstance(outcome, Fenced):
        return Rejected((FENCED_ERROR,), event.event_id, "unavailable")
    return outcome
