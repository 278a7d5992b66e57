"""The one way to a database: the user's own server, our embedded one, or one already running.

`RAPPORT_DATABASE_URL` wins. Else the embedded server of the data folder is started. A command that
works beside `rapport up` says `attach=True`: it uses the running server, and starts one for its
own short life only if there is none.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from infra.plumbing.errors import DatabaseRefused, DatabaseUnreachable
from infra.plumbing.postgres.facts import APP, OWNER, SIGNER, VAULT, read_facts
from infra.plumbing.postgres.folder import holder, prepare
from infra.plumbing.postgres.grants import grant
from infra.plumbing.postgres.migrate import Migration, migrate
from infra.plumbing.postgres.pool import make_pool
from infra.plumbing.postgres.provision import refuse_unfit_server
from infra.plumbing.postgres.supervisor import CONNECTION_FILE, HOME, EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from infra.plumbing.postgres.facts import Facts
    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.settings import Settings

ATTACH_SECONDS = 30.0
VAULT_CLOSED = (
    "The database's user may not see keys and identifiers. Name rapport_vault in "
    "RAPPORT_DATABASE_VAULT_URL; see `Your own PostgreSQL` in docs/operator.md."
)
_STEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Database:
    """A reachable, durable database. `embedded` is the server we run ourselves, else None.

    `conninfo` is for the work, `vault_conninfo` for work with customers' keys, names or API keys,
    `owner_conninfo` for migrations and retention alone, `signer_conninfo` for the signer. On a
    server of the user's they may be one and the same.
    """

    conninfo: str
    vault_conninfo: str
    owner_conninfo: str
    signer_conninfo: str
    embedded: EmbeddedPostgres | None = None

    @contextmanager
    def vault_pool(self, name: str, max_size: int = 1) -> Generator[Pool]:
        """A pool for work with customers' keys, names or API keys, for the length of a `with`.

        Raises:
            DatabaseRefused: the user may not.
            DatabaseUnreachable: no connection within 10 s.
        """
        with make_pool(self.vault_conninfo, name=name, max_size=max_size) as pool:
            try:
                with pool.connection() as connection:
                    connection.execute("SELECT FROM vault.keys LIMIT 0")
            except psycopg.errors.InsufficientPrivilege:
                raise DatabaseRefused(VAULT_CLOSED) from None
            yield pool

    def migrate(self) -> list[Migration]:
        """Bring it to the shape this program needs and give the roles what they may do.

        Raises:
            MigrationError: see `migrate.migrate` and `grants.grant`.
            DatabaseUnreachable: the owner is not let in.
        """
        applied = migrate(self.owner_conninfo)
        grant(self.owner_conninfo)
        return applied


@contextmanager
def open_database(
    settings: Settings, *, attach: bool = False, what: str = "rapport"
) -> Generator[Database]:
    """Give a database for the length of a `with`; a server started here is stopped at its end.

    `what` tells a second program who holds the data folder, such as "rapport up".

    Raises:
        DataFolderError: the data folder is in use, unwritable or damaged.
        PostgresError: the server does not start or answer, or is not durable.
    """
    if settings.database_url is not None:
        conninfo = settings.database_url.get_secret_value()
        refuse_unfit_server(conninfo)
        yield Database(
            conninfo,
            (settings.database_vault_url or settings.database_url).get_secret_value(),
            (settings.database_owner_url or settings.database_url).get_secret_value(),
            (settings.database_signer_url or settings.database_url).get_secret_value(),
        )
        return
    running = running_server(settings.data_dir) if attach else None
    if running is not None:
        yield _embedded(running.conninfo)
        return
    with EmbeddedPostgres(settings.data_dir, what=what, serving=not attach) as embedded:
        refuse_unfit_server(embedded.conninfo)
        yield _embedded(embedded.conninfo_of, embedded)


def _embedded(conninfo: Callable[[str], str], embedded: EmbeddedPostgres | None = None) -> Database:
    """The database of an embedded server, whoever runs it."""
    return Database(conninfo(APP), conninfo(VAULT), conninfo(OWNER), conninfo(SIGNER), embedded)


def running_server(data_dir: Path) -> Facts | None:
    """Return how to reach the server that a serving program runs there; None if none does.

    One that is just starting is waited for. A brief command's server is not used: it would stop
    under our hands.

    Raises:
        DatabaseUnreachable: a program holds the folder, but its server does not answer in 30 s.
        DataFolderError: the folder is unwritable or damaged.
    """
    prepare(data_dir)
    until = time.monotonic() + ATTACH_SECONDS
    reason: Exception | None = None
    while (who := holder(data_dir)) is not None and who.serving:
        facts = read_facts(data_dir / HOME / CONNECTION_FILE)
        if facts is not None:
            try:
                psycopg.connect(facts.conninfo(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                reason = error
            else:
                return facts
        if time.monotonic() > until:
            raise DatabaseUnreachable(
                f"Process {who.pid} ({who.what}) holds the data folder {data_dir}, but its "
                "database does not answer. Stop that program, then try again."
            ) from reason
        time.sleep(_STEP_SECONDS)
    return None
