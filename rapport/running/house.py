"""Everything the services stand on, opened once: database, keys, ledger, language."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.catalog import Catalog, catalog
from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.ledger.started import refuse_another_log
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.pool import make_pool, session_conninfo
from infra.plumbing.revoked import Revoked
from infra.plumbing.vault.vault import Vault, open_master
from rapport.running.children import CHILD_MARK

if TYPE_CHECKING:
    from collections.abc import Generator
    from threading import Event

    from infra.plumbing.postgres.database import Database
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.settings import Settings
    from infra.plumbing.vault.master import Master

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Hall:
    """What every service stands on. From here nobody reaches a key or a name."""

    settings: Settings
    database: Database
    pool: Pool
    ledger: Ledger
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class House(Hall):
    """The whole house, for the services that meet customers by name or let people in."""

    vault_pool: Pool
    master: Master
    vault: Vault
    revoked: Revoked

    def watch_keys(self, stop: Event) -> None:
        """Take over what is revoked with other data folders, until `stop` is set."""
        self.revoked.run(self.vault_pool, stop)


@contextmanager
def open_house(settings: Settings, *, what: str, attach: bool = False) -> Generator[House]:
    """Open the house for the length of a `with`: the hall, and the vault by its own login.

    Keys revoked since a backup that was restored are revoked again before this yields.

    Raises:
        RevokedDamaged: the list of them cannot be read.
        HouseError, LanguageError: see `open_hall`; or the database's user may not see the vault.
        VaultError: the master key is missing or another database's.
    """
    with (
        open_hall(settings, what=what, attach=attach) as hall,
        hall.database.vault_pool(f"{what} vault", CONNECTIONS) as vault_pool,
    ):
        master = open_master(vault_pool, settings.master_key_path)
        revoked = Revoked(settings.data_dir, system_clock)
        with vault_pool.connection() as connection:
            revoked.agree(connection)
        yield House(
            hall.settings,
            hall.database,
            hall.pool,
            hall.ledger,
            hall.catalog,
            vault_pool,
            master,
            Vault(vault_pool, master),
            revoked,
        )


@contextmanager
def open_hall(settings: Settings, *, what: str, attach: bool = False) -> Generator[Hall]:
    """Open database and ledger for the length of a `with`; tables are brought up to date first.

    `attach`: work beside a running platform on the same data folder.

    Raises:
        HouseError: data folder, server, URL or migration, or a database that does not hold the
            log of the checkpoint published last; in words for whoever started it.
        LanguageError: a schema folder of the operator's own is broken.
    """
    language = catalog() if settings.schemas_dir is None else Catalog.load(settings.schemas_dir)
    with open_database(settings, attach=attach, what=what) as database:
        database.migrate()
        with (
            make_pool(database.conninfo, name=what, max_size=CONNECTIONS) as pool,
            Ledger.open(session_conninfo(database.conninfo, f"{what} ledger")) as ledger,
        ):
            _refuse_another_log(settings, pool, ledger)
            yield Hall(settings, database, pool, ledger, language)


def _refuse_another_log(settings: Settings, pool: Pool, ledger: Ledger) -> None:
    """A database restored behind a published checkpoint is not gone on with.

    A child's parent has read every leaf a moment ago; it looks at what is stored to be quick.
    """

    def root_at(size: int) -> bytes:
        return Prover(ledger.recorder.rows, size).root()

    quick = root_at if CHILD_MARK in os.environ else None
    with pool.connection() as connection:
        refuse_another_log(connection, settings.checkpoints_path, quick)
