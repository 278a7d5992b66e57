"""Who is who: outside identifiers to customer streams, and each customer's key. Erasable.

Identifiers are looked up by keyed hash (HMAC-SHA-256 under a secret derived from the master key);
their text stands in the database only sealed under the customer's own key.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import tuple_row

from events.identifiers import Identifier, normalise, parse_identifier
from infra.plumbing.queries import Queries
from infra.plumbing.vault.master import (
    KEY_BYTES,
    NONCE_BYTES,
    MasterKeyFile,
    MasterKeyWrong,
    VaultError,
)
from infra.plumbing.vault.seal import Person

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

    from infra.plumbing.vault.master import Master

CUSTOMER_KIND = "customer"
ATTEMPTS = 5
_SQL = Queries.beside("infra.plumbing.vault", "vault.sql")


class VaultBusy(VaultError):
    """Other writers kept taking the same identifiers; try again."""


def open_master(pool: ConnectionPool[Connection[Any]], path: Path) -> MasterKeyFile:
    """The master key of this database from `path`, made on the first start.

    Raises:
        MasterKeyMissing: the file is gone although the database was sealed with one.
        MasterKeyWrong: the file is not a key, or the key of another database.
    """
    with pool.connection() as connection:
        row = connection.execute(_SQL["fingerprint"]).fetchone()
        master = MasterKeyFile.open(path, create=row is None)
        if row is None:
            connection.execute(_SQL["set_fingerprint"], {"fingerprint": master.fingerprint()})
            row = connection.execute(_SQL["fingerprint"]).fetchone()
    if row is None or not hmac.compare_digest(bytes(row[0]), master.fingerprint()):
        raise MasterKeyWrong(
            f"The master key in {path} is not the one this database was sealed with. "
            "Restore the right file from your backup (setting RAPPORT_MASTER_KEY_FILE)."
        )
    return master


class Vault:
    """The erasable side of the house: identifiers and keys."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], master: Master) -> None:
        """Work over `pool`, whose database was sealed with `master`."""
        self._pool = pool
        self._master = master
        self._lookup_key = master.derive("rapport identifiers 1")

    def find(self, ref: str) -> UUID | None:
        """The customer whom `ref` names: a customer UUID, or `kind:value`; None if there is none.

        Raises:
            ValueError: `ref` is neither.
        """
        identifier = _reference(ref)
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            if identifier.kind == CUSTOMER_KIND:
                cursor.execute(_SQL["known_customer"], {"stream": UUID(identifier.value)})
                row = cursor.fetchone()
                return row[0] if row else None
            lookup = _lookup(self._lookup_key, normalise(identifier))
            cursor.execute(_SQL["find"], {"lookups": [lookup]})
            row = cursor.fetchone()
            return row[1] if row else None

    def people(
        self, named: Sequence[Sequence[Identifier]], *, passing: Collection[int] = ()
    ) -> list[Person | None]:
        """For each event's identifiers (its subject first) the customer they name.

        A customer nobody knows yet gets a stream and a key; identifiers not seen before are
        remembered for the customer. Where an event's identifiers name different customers the
        first one that is known decides, and no identifier moves. None stands where the subject is
        a `customer:` that does not exist.

        `passing`: indices in `named` of events that do not count yet. They link no identifier to
        a known customer; a customer nobody knows is made with the subject alone.

        Raises:
            VaultBusy: concurrent writers kept taking the same identifiers.
        """
        normal = [[normalise(identifier) for identifier in group] for group in named]
        for _ in range(ATTEMPTS):
            with self._pool.connection() as connection, _cursor(connection) as cursor:
                found = _Batch(self._master, self._lookup_key, cursor, normal, passing)
                people = found.resolve()
                if found.settled:
                    return people
                connection.rollback()
        raise VaultBusy("Other writers kept taking the same identifiers. Send the request again.")

    def key(self, key_id: str, stream: UUID) -> bytes | None:
        """The customer key `key_id` of `stream`, or None if it was destroyed."""
        person = self._load([stream]).get(stream)
        return person.key if person and person.key_id == key_id else None

    def identifiers_of(self, streams: Sequence[UUID]) -> dict[UUID, list[Identifier]]:
        """The identifiers remembered for each of `streams`, opened. Personal: mind who reads it."""
        people = self._load(streams)
        found: dict[UUID, list[Identifier]] = {stream: [] for stream in people}
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            cursor.execute(_SQL["identifiers_of"], {"streams": list(people)})
            for stream, kind, lookup, sealed in cursor:
                plain = AESGCM(people[stream].key).decrypt(
                    bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:]), bytes(lookup)
                )
                found[stream].append(Identifier(kind, plain.decode()))
        return found

    def _load(self, streams: Sequence[UUID]) -> dict[UUID, Person]:
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            return _load_people(self._master, cursor, streams)


class _Batch:
    """One attempt to resolve the identifiers of a batch of events in one transaction."""

    def __init__(
        self,
        master: Master,
        lookup_key: bytes,
        cursor: Cursor[Any],
        named: Sequence[Sequence[Identifier]],
        passing: Collection[int],
    ) -> None:
        self._passing = passing
        self._master = master
        self._cursor = cursor
        self._named = named
        self._lookups = {
            identifier: _lookup(lookup_key, identifier)
            for group in named
            for identifier in group
            if identifier.kind != CUSTOMER_KIND
        }
        self._streams: dict[Identifier, UUID] = {}
        self._new_identifiers: dict[Identifier, UUID] = {}
        self._new_people: dict[UUID, Person] = {}
        self.settled = True

    def resolve(self) -> list[Person | None]:
        """The customer of each event; `settled` is false if another writer was faster."""
        self._find_known()
        chosen = [
            self._choose(group, learn=index not in self._passing)
            for index, group in enumerate(self._named)
        ]
        known = {stream for stream in chosen if stream and stream not in self._new_people}
        people = _load_people(self._master, self._cursor, known)
        people.update(self._new_people)
        self._remember(people)
        return [people.get(stream) if stream else None for stream in chosen]

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

    def _choose(self, group: Sequence[Identifier], *, learn: bool) -> UUID | None:
        """The stream of one event; if we `learn`, its new identifiers are noted for it."""
        subject = group[0]
        if subject.kind == CUSTOMER_KIND and subject not in self._streams:
            return None
        known = (self._streams[identifier] for identifier in group if identifier in self._streams)
        stream = next(known, None)
        if stream is None:
            stream = uuid4()
            key_id = f"{stream}/1"
            self._new_people[stream] = Person(stream, key_id, os.urandom(KEY_BYTES))
            learned = group if learn else group[:1]
        else:
            learned = group if learn else ()
        for identifier in learned:
            if identifier not in self._streams and identifier.kind != CUSTOMER_KIND:
                self._streams[identifier] = stream
                self._new_identifiers[identifier] = stream
        return stream

    def _remember(self, people: dict[UUID, Person]) -> None:
        """Write new customers and identifiers, in one order for all writers (no deadlock)."""
        if not self._new_identifiers:
            return
        fresh = sorted(self._new_identifiers, key=lambda each: self._lookups[each])
        fresh = [each for each in fresh if self._new_identifiers[each] in people]
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
            everyone = list(self._new_people.values())
            self._cursor.execute(
                _SQL["add_keys"],
                {
                    "key_ids": [person.key_id for person in everyone],
                    "streams": [person.stream for person in everyone],
                    "wrapped": [
                        self._master.wrap(person.key, person.key_id) for person in everyone
                    ],
                },
            )


def _load_people(
    master: Master, cursor: Cursor[Any], streams: Iterable[UUID]
) -> dict[UUID, Person]:
    cursor.execute(_SQL["keys"], {"streams": list(streams)})
    return {
        stream: Person(stream, key_id, master.unwrap(bytes(wrapped), key_id))
        for stream, key_id, wrapped in cursor
    }


def _lookup(lookup_key: bytes, identifier: Identifier) -> bytes:
    """The keyed hash under which a normalised identifier is found."""
    return hmac.digest(lookup_key, str(identifier).encode(), sha256)


def _sealed(person: Person, identifier: Identifier, lookup: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(person.key).encrypt(nonce, identifier.value.encode(), lookup)


def _reference(ref: str) -> Identifier:
    """`ref` as an identifier; a bare UUID is a customer."""
    try:
        return Identifier(CUSTOMER_KIND, str(UUID(ref)))
    except ValueError:
        return parse_identifier(ref)


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    return connection.cursor(row_factory=tuple_row, binary=True)
