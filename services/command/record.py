"""Accepted events into the ledger: whose they are, sealed, appended.

The only writer of customers' events: HTTP, proposals and every later way in come through here.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from events.errors import FieldError
from infra.plumbing.ledger.answers import Conflict, Duplicate, Fenced, NewEvent, Stored
from infra.plumbing.vault.seal import Person, seal_event
from infra.plumbing.vault.vault import CUSTOMER_KIND
from services.command.intake import (
    OWN_SOURCE,
    Accepted,
    Rejected,
    ahead,
    identifiers_of,
    others_in,
)
from services.command.quarantine import Quarantine, Quarantined, Withheld

if TYPE_CHECKING:
    from collections.abc import Sequence

    from events.identifiers import Identifier
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.vault import Vault

MAC_LABEL: Final = "rapport content-mac 1"

_NO_CUSTOMER: Final = "No customer has this UUID."
_NO_CUSTOMER_CURE: Final = (
    "Send a customer UUID that this platform answered with, or another identifier (crm:, email:)."
)
FENCED_ERROR: Final = FieldError(
    "/subject", "The customer is being erased just now.", "Send the event again in a minute."
)


Answer = Stored | Duplicate | Conflict | Quarantined | Rejected


class Recorder:
    """Records accepted events. Safe for many threads; every call blocks."""

    def __init__(
        self, ledger: Ledger, vault: Vault, pool: Pool, master: Master, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._quarantine = Quarantine(pool, vault)
        self._clock = clock
        self.mac_key = master.derive(MAC_LABEL)

    def record(self, events: Sequence[Accepted]) -> list[Answer]:
        """Store `events` in order; one answer each. Sending the same again is safe.

        Raises:
            LedgerBusy, VaultBusy: not now; send the same events again.
            psycopg.OperationalError: the database does not answer.
        """
        now = self._clock()
        answers: dict[int, Answer] = {}
        fresh: dict[int, NewEvent] = {}
        early: dict[int, NewEvent] = {}
        withheld: dict[int, Withheld] = {}
        for index, ready in enumerate(self._sealed(events)):
            if isinstance(ready, Rejected):
                answers[index] = ready
            elif isinstance(ready, Withheld):
                withheld[index] = ready
            else:
                (early if ahead(ready.occurred_at, now) else fresh)[index] = ready
        if withheld:
            told = self._quarantine.withhold(list(withheld.values()))
            answers.update(zip(withheld, told, strict=True))
        if early:
            kept = self._quarantine.keep_early(list(early.values()))
            for (index, event), there in zip(early.items(), kept, strict=True):
                answers[index] = Quarantined() if there else _fenced(event)
        outcomes = self._ledger.append(list(fresh.values())) if fresh else []
        for (index, event), outcome in zip(fresh.items(), outcomes, strict=True):
            answers[index] = _fenced(event) if isinstance(outcome, Fenced) else outcome
        return [answers[index] for index in range(len(events))]

    def _sealed(self, events: Sequence[Accepted]) -> list[NewEvent | Withheld | Rejected]:
        """Find or make every customer named, all in one call, and seal each event under keys."""
        others = [others_in(event) for event in events]
        named = list(dict.fromkeys(identifier for found in others for identifier in found))
        groups = [identifiers_of(event) for event in events]
        people = self._vault.people([*groups, *([identifier] for identifier in named)])
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
    ) -> NewEvent | Withheld | Rejected:
        parties: dict[str, Person] = {}
        errors: list[FieldError] = []
        if subject is None:
            errors.append(FieldError("/subject", _NO_CUSTOMER, _NO_CUSTOMER_CURE))
        for identifier, pointer in others.items():
            person = known[identifier]
            if person is None:
                errors.append(FieldError(pointer, _NO_CUSTOMER, _NO_CUSTOMER_CURE))
            else:
                # Whoever is not to be recorded is named under a key that nobody keeps.
                parties[str(identifier)] = person if person.withheld is None else Person.new()
        if subject is None or errors:
            return Rejected(tuple(errors), accepted.envelope.id)
        if subject.withheld is None or _is_ours(accepted):
            return self._seal(accepted, subject, parties)
        stranger = Person.new(subject.withheld)
        return Withheld(self._seal(accepted, stranger, parties), stranger)

    def _seal(self, accepted: Accepted, subject: Person, parties: dict[str, Person]) -> NewEvent:
        envelope = accepted.envelope
        return NewEvent(
            stream=subject.stream,
            source=envelope.source,
            event_id=envelope.id,
            type=envelope.type,
            schema=accepted.kind.version,
            occurred_at=envelope.time,
            body=seal_event(accepted.event, subject, parties, accepted.kind.personal),
            content_mac=hmac.digest(self.mac_key, accepted.written, sha256),
            key_id=subject.key_id,
        )


def _is_ours(accepted: Accepted) -> bool:
    """Whether the platform itself says it of a known customer, whom it records in any case."""
    envelope = accepted.envelope
    return envelope.source.partition("/")[0] == OWN_SOURCE and envelope.who.kind == CUSTOMER_KIND


def _fenced(event: NewEvent) -> Rejected:
    return Rejected((FENCED_ERROR,), event.event_id, "unavailable")
