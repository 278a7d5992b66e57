"""Who is who: outside identifiers to customer streams, and each customer's key. Erasable.

Identifiers are looked up by keyed hash (HMAC-SHA-256 under a secret derived from the master key);
their text stands in the database only sealed under the customer's own key.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import tuple_row

from events.identifiers import Identifier, normalise, parse_identifier
from infra.plumbing.queries import Queries
from infra.plumbing.vault.hashes import Hashes
from infra.plumbing.vault.master import (
    NONCE_BYTES,
    MasterKeyFile,
    MasterKeyWrong,
    VaultError,
)
from infra.plumbing.vault.memory import Memory
from infra.plumbing.vault.resolving import (
    CUSTOMER_KIND,
    NEVER_SEALED,
    Asked,
    Batch,
    add_keys,
    load_people,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

    from infra.plumbing.vault.master import Master
    from infra.plumbing.vault.memory import Known
    from infra.plumbing.vault.seal import Person

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
        self.hashes = Hashes(master)
        self._memory = Memory()

    def known(self) -> Known:
        """The people met lately, by hashed identifier, as true as the vault is just now.

        Nobody in it is suppressed, and every name in it is linked. Whoever it does not know may
        still be known to `people`. What it held of a past state of the vault is forgotten here, so
        a key that was destroyed leaves the memory at the next call.
        """
        with self._pool.connection() as connection:
            connection.autocommit = True  # one statement needs no transaction's two round trips
            try:
                row = connection.execute(_SQL["changes"], binary=True, prepare=True).fetchone()
            finally:
                if not connection.closed:
                    connection.autocommit = False
        return self._memory.under(NEVER_SEALED if row is None else row[0])

    def find(self, ref: str) -> UUID | None:
        """The customer whom `ref` names: a customer UUID, or `kind:value`; None if there is none.

        Raises:
            ValueError: `ref` is neither.
        """
        identifier = reference(ref)
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            if identifier.kind == CUSTOMER_KIND:
                cursor.execute(_SQL["known_customer"], {"stream": UUID(identifier.value)})
                row = cursor.fetchone()
                return row[0] if row else None
            lookup = self.hashes.lookup(normalise(identifier))
            cursor.execute(_SQL["find"], {"lookups": [lookup]})
            row = cursor.fetchone()
            return row[1] if row else None

    def people(
        self,
        named: Sequence[Sequence[Identifier]],
        *,
        passing: Collection[int] = (),
        beside: Mapping[int, Sequence[int]] | None = None,
    ) -> list[Person | None]:
        """For each event's identifiers (its subject first) the customer they name.

        A customer nobody knows yet gets a stream and a key; identifiers not seen before are
        remembered for the customer. Where an event's identifiers name different customers the
        first one that is known decides, and no identifier moves. None stands where the subject is
        a `customer:` that does not exist, or that was erased. Whoever is not to be recorded comes
        back with `withheld` set: a stranger of whom nothing is stored, or the customer with nothing
        new remembered.

        `passing`: indices in `named` of events that do not count yet. `beside`: by the index of an
        event those of the other people it names, who stand in `named` as well. An event that does
        not count, that is withheld, or that names a `customer:` nobody has leaves nothing behind:
        it links no identifier, and whoever only such events name comes back `passing`.

        Raises:
            VaultBusy: concurrent writers kept taking the same identifiers.
        """
        normal = [[normalise(identifier) for identifier in group] for group in named]
        asked = Asked(normal, passing, beside or {})
        for _ in range(ATTEMPTS):
            with self._pool.connection() as connection, _cursor(connection) as cursor:
                found = Batch(self._master, self.hashes, cursor, asked)
                people = found.resolve()
                if not found.settled:
                    connection.rollback()
            if found.settled:
                self._memory.learn(found.changes, found.linked)
                return people
        raise VaultBusy("Other writers kept taking the same identifiers. Send the request again.")

    def key(self, key_id: str, stream: UUID) -> bytes | None:
        """The customer key `key_id` of `stream`, or None if it was destroyed."""
        person = self._load([stream]).get(stream)
        return person.key if person and person.key_id == key_id else None

    def keys(self, key_ids: Iterable[str]) -> dict[str, bytes]:
        """Key id to customer key, for those of `key_ids` (`<stream>/<number>`) that still exist."""
        wanted = set(key_ids)
        streams = [UUID(key_id.partition("/")[0]) for key_id in wanted]
        people = self._load(streams).values()
        return {person.key_id: person.key for person in people if person.key_id in wanted}

    def keep(self, connection: Connection[Any], people: Sequence[Person]) -> None:
        """Store new `people` in the transaction of `connection`, without any identifier."""
        with _cursor(connection) as cursor:
            add_keys(self._master, cursor, people)

    def hold(self, connection: Connection[Any], streams: Iterable[UUID]) -> set[UUID]:
        """Those of `streams` whose key exists; none is destroyed before the transaction ends."""
        with _cursor(connection) as cursor:
            cursor.execute(_SQL["hold_list"])
            cursor.execute(_SQL["keys"], {"streams": list(streams)})
            return {row[0] for row in cursor}

    def identifiers_of(
        self, streams: Sequence[UUID], known_at: datetime | None = None
    ) -> dict[UUID, list[Identifier]]:
        """The identifiers remembered for each of `streams`, opened. Personal: mind who reads it.

        `known_at`: only those that were remembered by then.
        """
        people = self._load(streams)
        found: dict[UUID, list[Identifier]] = {stream: [] for stream in people}
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            asked = {"streams": list(people), "known_at": known_at}
            cursor.execute(_SQL["identifiers_of"], asked)
            for stream, kind, lookup, sealed in cursor:
                plain = AESGCM(people[stream].key).decrypt(
                    bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:]), bytes(lookup)
                )
                found[stream].append(Identifier(kind, plain.decode()))
        return found

    def _load(self, streams: Sequence[UUID]) -> dict[UUID, Person]:
        with self._pool.connection() as connection, _cursor(connection) as cursor:
            return load_people(self._master, cursor, streams)


def reference(ref: str) -> Identifier:
    """`ref` as an identifier; a bare UUID is a customer."""
    try:
        return Identifier(CUSTOMER_KIND, str(UUID(ref)))
    except ValueError:
        return parse_identifier(ref)


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    return connection.cursor(row_factory=tuple_row, binary=True)
