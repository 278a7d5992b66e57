"""Accepted events into the ledger: whose they are, sealed, appended.

The only writer of customers' events: HTTP, proposals and every later way in come through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from events.errors import FieldError
from events.identifiers import normalise
from infra.plumbing.away import AWAY
from infra.plumbing.ledger.answers import Conflict, Duplicate, Fenced, NewEvent, Stored
from infra.plumbing.ledger.errors import OutcomeUnknown
from infra.plumbing.vault import erasure
from infra.plumbing.vault.hashes import Mac
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
from services.command.quarantine import Aside, Quarantine, Quarantined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from events.identifiers import Identifier
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.answers import Outcome
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.memory import Known
    from infra.plumbing.vault.vault import Vault

MAC_LABEL: Final = "rapport content-mac 1"

_NO_CUSTOMER: Final = "No customer has this UUID."
_NO_CUSTOMER_CURE: Final = (
    "Send a customer UUID that this platform answered with, or another identifier (crm:, email:)."
)
FENCED_ERROR: Final = FieldError(
    "/subject",
    "The customer is being erased, suppressed or released just now.",
    "Send the event again in a minute.",
)


Answer = Stored | Duplicate | Conflict | Quarantined | Rejected


class Recorder:
    """Records accepted events. Safe for many threads; every call blocks."""

    def __init__(
        self, ledger: Ledger, vault: Vault, pool: Pool, master: Master, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._pool = pool
        self._quarantine = Quarantine(pool, vault)
        self._clock = clock
        self.mac_key = master.derive(MAC_LABEL)
        self._macs = Mac(self.mac_key)

    def record(self, events: Sequence[Accepted], *, keep: bool = True) -> list[Answer]:
        """Store `events` in order; one answer each. Sending the same again is safe.

        Without `keep` nothing is put into quarantine: what would be is there already.

        Raises:
            OutcomeUnknown: some may be stored; the same events sent again tell.
            another of AWAY: not now, and nothing was stored; send the same events again.
        """
        now = self._clock()
        known = self._vault.known()
        answers: dict[int, Answer] = {}
        for wave in _waves(events):
            try:
                answers.update(self._record(wave, known, now, keep=keep))
            except AWAY as error:
                if any(isinstance(answer, Stored) for answer in answers.values()):
                    raise OutcomeUnknown("Some of the events were stored.") from error
                raise
        return [answers[index] for index in range(len(events))]

    def record_behind_fence(self, event: Accepted, stream: UUID) -> bool:
        """Store what the platform itself says of an erased customer; False if they are not erased.

        Nothing in it is sealed, so nothing in it may be personal.
        """
        envelope = event.envelope
        new = NewEvent(
            stream=stream,
            source=envelope.source,
            event_id=envelope.id,
            type=envelope.type,
            schema=event.kind.version,
            occurred_at=envelope.time,
            body=event.written,
            content_mac=self._mac(event),
        )
        with self._pool.connection() as connection:
            fenced = erasure.is_fenced(connection, stream)
            outcome = erasure.append_behind_fence(connection, new) if fenced else None
        return isinstance(outcome, Stored)

    def _told(self, events: Mapping[int, Accepted]) -> dict[int, Answer]:
        """Answer what is stored already, before anyone's identifiers are touched.

        A look without a lock; what another writer stores in between is found by the append. Where
        two programs send one id with different contents at the same moment, the one that is then
        refused has had its identifiers remembered already: names go in before the head lock.
        """
        known = self._ledger.known([_key(event) for event in events.values()])
        return {
            index: known[_key(event)].against(
                self._mac(event), (event.envelope.type, event.envelope.time)
            )
            for index, event in events.items()
            if _key(event) in known
        }

    def _record(
        self, events: Mapping[int, Accepted], known: Known, now: datetime, *, keep: bool
    ) -> dict[int, Answer]:
        """Answer each of `events`. Only those that name somebody not remembered are looked up."""
        plain: dict[int, NewEvent] = {}
        strange: dict[int, Accepted] = {}
        for index, event in events.items():
            sealed = None if ahead(event.envelope.time, now) else self._plain(event, known)
            if sealed is None:
                strange[index] = event
            else:
                plain[index] = sealed
        if not strange:
            return self._stored(plain)
        answers = self._told(strange)
        new = {index: event for index, event in strange.items() if index not in answers}
        found = self._sealed(list(new.values()), now) if new else []
        ready = {**plain, **dict(zip(new, found, strict=True))}
        answers.update(self._placed({index: ready[index] for index in sorted(ready)}, keep=keep))
        return answers

    def _plain(self, accepted: Accepted, known: Known) -> NewEvent | None:
        """The event sealed, if everybody it names is remembered under every name it gives.

        It can neither make a customer nor link a name, so nothing need be looked up before the
        append, which tells a repeat and a conflict by itself.
        """
        lookup = self._vault.hashes.lookup
        found, *more = identifiers_of(accepted)
        subject = known.get(lookup(found))
        if subject is None or any(known.get(lookup(each)) is None for each in more):
            return None
        parties: dict[str, Person] = {}
        for identifier in others_in(accepted):
            person = known.get(lookup(identifier))
            if person is None:
                return None
            parties[str(identifier)] = person
        return self._seal(accepted, subject, parties)

    def _placed(
        self, ready: Mapping[int, NewEvent | Aside | Rejected], *, keep: bool
    ) -> dict[int, Answer]:
        """Append or set aside what was sealed, in order; what was refused stays so."""
        answers: dict[int, Answer] = {}
        fresh: dict[int, NewEvent] = {}
        aside: dict[int, Aside] = {}
        for index, each in ready.items():
            if isinstance(each, Rejected):
                answers[index] = each
            elif isinstance(each, Aside):
                aside[index] = each
            else:
                fresh[index] = each
        if aside:
            found = list(aside.values())
            kept = self._quarantine.set_aside(found) if keep else [True] * len(found)
            for (index, each), there in zip(aside.items(), kept, strict=True):
                answers[index] = Quarantined.because(each.reason) if there else _fenced(each.event)
        answers.update(self._stored(fresh))
        return answers

    def _stored(self, events: Mapping[int, NewEvent]) -> dict[int, Answer]:
        if not events:
            return {}
        outcomes = self._ledger.append(list(events.values()))
        outcomes = self._told_apart(list(events.values()), outcomes)
        return {
            index: _fenced(event) if isinstance(outcome, Fenced) else outcome
            for (index, event), outcome in zip(events.items(), outcomes, strict=True)
        }

    def _told_apart(
        self, events: Sequence[NewEvent], outcomes: Sequence[Outcome]
    ) -> Sequence[Outcome]:
        """Where a repeat is of somebody else's event, see whether it is one.

        Of an erased customer's event there is nothing left to the append by which to tell.
        """
        other = {
            (event.source, event.event_id)
            for event, outcome in zip(events, outcomes, strict=True)
            if isinstance(outcome, Duplicate) and outcome.receipt.stream != event.stream
        }
        known = self._ledger.known(other) if other else {}
        return [
            known[key].against(event.content_mac, (event.type, event.occurred_at))
            if (key := (event.source, event.event_id)) in known
            else outcome
            for event, outcome in zip(events, outcomes, strict=True)
        ]

    def _sealed(
        self, events: Sequence[Accepted], now: datetime
    ) -> list[NewEvent | Aside | Rejected]:
        """Find or make every customer named, all in one call, and seal each event under keys.

        Only an event that is to be stored makes customers and links names.
        """
        others = [others_in(event) for event in events]
        places: dict[Identifier, int] = {}
        for identifier in (each for found in others for each in found):
            places.setdefault(identifier, len(events) + len(places))
        beside = {
            index: [places[identifier] for identifier in found]
            for index, found in enumerate(others)
            if found
        }
        groups = [identifiers_of(event) for event in events]
        early = {index for index, event in enumerate(events) if ahead(event.envelope.time, now)}
        people = self._vault.people(
            [*groups, *([each] for each in places)], passing=early, beside=beside
        )
        return [
            self._new_event(
                event,
                people[index],
                {each: people[places[each]] for each in found},
                found,
                early=index in early,
            )
            for index, (event, found) in enumerate(zip(events, others, strict=True))
        ]

    def _new_event(
        self,
        accepted: Accepted,
        subject: Person | None,
        others: dict[Identifier, Person | None],
        pointers: dict[Identifier, str],
        *,
        early: bool,
    ) -> NewEvent | Aside | Rejected:
        errors: list[FieldError] = []
        if subject is None:
            errors.append(FieldError("/subject", _NO_CUSTOMER, _NO_CUSTOMER_CURE))
        errors.extend(
            FieldError(pointers[identifier], _NO_CUSTOMER, _NO_CUSTOMER_CURE)
            for identifier, person in others.items()
            if person is None
        )
        if subject is None or errors:
            return Rejected(tuple(errors), accepted.envelope.id)
        known = {each: person for each, person in others.items() if person is not None}
        withheld = None if _is_ours(accepted) else subject.withheld
        if early or withheld is not None:
            return self._aside(accepted, subject, known, withheld)
        return self._seal(accepted, subject, _named(known))

    def _aside(
        self,
        accepted: Accepted,
        subject: Person,
        others: dict[Identifier, Person],
        withheld: UUID | None,
    ) -> Aside:
        """The event sealed so that it names nobody who is not known without it."""
        if withheld is not None:
            subject = Person.new(withheld)
        stranger = Person.new()
        unknown = [identifier for identifier, person in others.items() if person.passing]
        own = [subject] if subject.passing or withheld is not None else []
        return Aside(
            self._seal(accepted, subject, _named(others | dict.fromkeys(unknown, stranger))),
            own=(*own, stranger) if unknown else tuple(own),
            names=self._hashed(identifiers_of(accepted)) if subject.passing else (),
            others=self._hashed(unknown),
            person=withheld,
        )

    def _hashed(self, names: Iterable[Identifier]) -> tuple[bytes, ...]:
        hashes = self._vault.hashes
        return tuple(
            hashes.listed(hashes.lookup(normalise(each)))
            for each in names
            if each.kind != CUSTOMER_KIND
        )

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
            content_mac=self._mac(accepted),
            key_id=subject.key_id,
        )

    def _mac(self, accepted: Accepted) -> bytes:
        """What tells a repeat of the event from another one under its id."""
        return self._macs.of(accepted.written)


def _named(others: Mapping[Identifier, Person]) -> dict[str, Person]:
    """By what they are called; whoever is not to be recorded, under a key that nobody keeps."""
    return {
        str(identifier): person if person.withheld is None else Person.new()
        for identifier, person in others.items()
    }


def _is_ours(accepted: Accepted) -> bool:
    """Whether the platform itself says it of a known customer, whom it records in any case."""
    envelope = accepted.envelope
    return envelope.source.partition("/")[0] == OWN_SOURCE and envelope.who.kind == CUSTOMER_KIND


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


def _fenced(event: NewEvent) -> Rejected:
    return Rejected((FENCED_ERROR,), event.event_id, "unavailable")
