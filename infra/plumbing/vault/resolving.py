"""Whom do the names in a batch of events mean? One attempt, in one transaction.

Whoever is new gets a stream and a key, but only from an event that will be recorded, so far as the
vault can tell: one that is refused or set aside leaves nothing behind.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.plumbing.queries import Queries
from infra.plumbing.vault.master import NONCE_BYTES
from infra.plumbing.vault.seal import Person

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from psycopg import Cursor

    from events.identifiers import Identifier
    from infra.plumbing.vault.hashes import Hashes
    from infra.plumbing.vault.master import Master

CUSTOMER_KIND: Final = "customer"
NEVER_SEALED: Final = 0
"""The number of changes of a vault without a master key, in which nobody can be."""
_SQL: Final = Queries.beside("infra.plumbing.vault", "vault.sql")


class Asked(NamedTuple):
    """The normalised names of each event, its subject first; see `Vault.people` for the rest."""

    named: Sequence[Sequence[Identifier]]
    passing: Collection[int]
    beside: Mapping[int, Sequence[int]]


class Batch:
    """One attempt to resolve the identifiers of a batch of events in one transaction."""

    def __init__(
        self,
        master: Master,
        hashes: Hashes,
        cursor: Cursor[Any],
        asked: Asked,
    ) -> None:
        self._named, self._passing, self._beside = asked
        self._master = master
        self._cursor = cursor
        self._hashes = hashes
        self._lookups = {
            identifier: hashes.lookup(identifier)
            for group in self._named
            for identifier in group
            if identifier.kind != CUSTOMER_KIND
        }
        self._streams: dict[Identifier, UUID] = {}
        self._new_identifiers: dict[Identifier, UUID] = {}
        self._new_people: dict[UUID, Person] = {}
        self._listed: dict[Identifier, UUID] = {}
        self.settled = True
        self.changes = NEVER_SEALED
        self.linked: dict[bytes, Person] = {}

    def resolve(self) -> list[Person | None]:
        """The customer of each event; `settled` is false if another writer was faster.

        `linked` are then those who may be remembered while `changes` stands still, by lookup.
        """
        self._cursor.execute(_SQL["changes"])  # first: whatever changes later voids what is read
        row = self._cursor.fetchone()
        self.changes = NEVER_SEALED if row is None else row[0]
        self._find_known()
        self._look_on_the_list()
        known = {who for group in self._named if (who := self._known(group)) is not None}
        people = load_people(self._master, self._cursor, known)
        if len(people) < len(known):  # erased since the first look
            self.settled = False
            return []
        counting = self._counting(people)
        chosen = [
            self._choose(group, learn=index in counting) for index, group in enumerate(self._named)
        ]
        people.update(self._new_people)
        self._remember(people)
        self.linked = {
            self._hashes.lookup(identifier): person
            for identifier, stream in self._streams.items()
            if (person := people.get(stream)) is not None and person.withheld is None
        }
        return [people[who] if isinstance(who, UUID) else who for who in chosen]

    def _find_known(self) -> None:
        by_lookup = {lookup: identifier for identifier, lookup in self._lookups.items()}
        self._cursor.execute(_SQL["find"], {"lookups": list(by_lookup)})
        for lookup, stream in self._cursor:
            self._streams[by_lookup[bytes(lookup)]] = stream
        asked = {
            identifier
            for group in self._named
            for identifier in group
            if identifier.kind == CUSTOMER_KIND
        }
        if asked:
            self._cursor.execute(
                _SQL["keys"], {"streams": [UUID(identifier.value) for identifier in asked]}
            )
            real = {row[0] for row in self._cursor}
            for identifier in asked:
                if UUID(identifier.value) in real:
                    self._streams[identifier] = UUID(identifier.value)

    def _look_on_the_list(self) -> None:
        """Which of the names nobody knows are not to be recorded? Held until the end."""
        hashes = {
            self._hashes.listed(lookup): identifier
            for identifier, lookup in self._lookups.items()
            if identifier not in self._streams
        }
        if hashes:
            self._cursor.execute(_SQL["hold_list"])
            self._cursor.execute(_SQL["listed"], {"hashes": list(hashes)})
            self._listed = {hashes[bytes(hash_)]: person for hash_, person in self._cursor}

    def _counting(self, people: Mapping[UUID, Person]) -> set[int]:
        """The groups of events that will be recorded, so far as the vault can tell."""
        beside = self._beside
        others = {other for found in beside.values() for other in found}
        counting = {
            index
            for index, group in enumerate(self._named)
            if index not in self._passing
            and index not in others
            and self._may_be_recorded(group, people)
            and not any(self._is_nobody(self._named[other]) for other in beside.get(index, ()))
        }
        return counting.union(*(beside.get(index, ()) for index in counting))

    def _is_nobody(self, group: Sequence[Identifier]) -> bool:
        return group[0].kind == CUSTOMER_KIND and group[0] not in self._streams

    def _may_be_recorded(self, group: Sequence[Identifier], people: Mapping[UUID, Person]) -> bool:
        if self._is_nobody(group) or any(each in self._listed for each in group):
            return False
        known = self._known(group)
        return known is None or people[known].withheld is None

    def _known(self, group: Sequence[Identifier]) -> UUID | None:
        """The first of the names that leads to somebody decides."""
        return next((self._streams[each] for each in group if each in self._streams), None)

    def _choose(self, group: Sequence[Identifier], *, learn: bool) -> UUID | Person | None:
        """The stream of one event, or a stranger; if we `learn`, new identifiers are noted."""
        if self._is_nobody(group):
            return None
        listed = (self._listed[each] for each in group if each in self._listed)
        withheld = next(listed, None)
        if withheld is not None:
            return Person.new(withheld)
        stream = self._known(group)
        if stream is None:
            person = Person.new(passing=not learn)
            if not learn:
                return person
            stream = person.stream
            self._new_people[stream] = person
        for identifier in group if learn else ():
            if identifier not in self._streams and identifier.kind != CUSTOMER_KIND:
                self._streams[identifier] = stream
                self._new_identifiers[identifier] = stream
        return stream

    def _remember(self, people: dict[UUID, Person]) -> None:
        """Write new customers and identifiers, in one order for all writers (no deadlock)."""
        fresh = [
            each
            for each, stream in self._new_identifiers.items()
            if people[stream].withheld is None
        ]
        if not fresh:
            return
        fresh.sort(key=lambda each: self._lookups[each])
        self._cursor.execute(
            _SQL["add_identifiers"],
            {
                "lookups": [self._lookups[each] for each in fresh],
                "streams": [self._new_identifiers[each] for each in fresh],
                "kinds": [each.kind for each in fresh],
                "sealed": [
                    _sealed(people[self._new_identifiers[each]], each, self._lookups[each])
                    for each in fresh
                ],
            },
        )
        self.settled = len(self._cursor.fetchall()) == len(fresh)
        if self.settled and self._new_people:
            add_keys(self._master, self._cursor, list(self._new_people.values()))


def add_keys(master: Master, cursor: Cursor[Any], people: Sequence[Person]) -> None:
    """Store the keys of new `people`."""
    cursor.execute(
        _SQL["add_keys"],
        {
            "key_ids": [person.key_id for person in people],
            "streams": [person.stream for person in people],
            "wrapped": [master.wrap(person.key, person.key_id) for person in people],
        },
    )


def load_people(master: Master, cursor: Cursor[Any], streams: Iterable[UUID]) -> dict[UUID, Person]:
    """Those of `streams` that have a key, with it."""
    cursor.execute(_SQL["keys"], {"streams": list(streams)})
    return {
        stream: Person(stream, key_id, master.unwrap(bytes(wrapped), key_id), suppressed)
        for stream, key_id, wrapped, suppressed in cursor
    }


def _sealed(person: Person, identifier: Identifier, lookup: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(person.key).encrypt(nonce, identifier.value.encode(), lookup)
