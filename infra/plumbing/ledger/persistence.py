"""The module named in `PERSISTENCE_MODULE`: the library's factory with our recorder in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsourcing import postgres  # its factory's name here would make two factories in one module
from eventsourcing.utils import strtobool
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from infra.plumbing.errors import HouseError
from infra.plumbing.ledger.connection import LedgerConnection
from infra.plumbing.ledger.recorder import LedgerRecorder
from infra.plumbing.postgres.pool import RECONNECT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsourcing.utils import Environment, EnvType
    from psycopg import Connection

PERSISTENCE_MODULE = "infra.plumbing.ledger.persistence"
CONNINFO = "RAPPORT_LEDGER_CONNINFO"
"""Key in the library's environment under which the factory finds the connection string."""

CONNECT_SECONDS = 5
"""How long one attempt waits for a connection."""

SESSION = (
    b"SET TIME ZONE 'UTC'",
    b"SET lock_timeout = '10s'",
    b"SET idle_in_transaction_session_timeout = '30s'",
    # Look-ups by key must stay look-ups even while the statistics of a young table are missing.
    b"SET enable_seqscan = off",
    b"SET synchronous_commit = on",
    b"SET bytea_output = 'hex'",
    b"SET client_encoding = 'UTF8'",  # rows are packed here, whatever a role or a variable says
    # The server is to notice a host that is gone, which may hold the head lock in a COPY.
    b"SET tcp_keepalives_idle = 30",
    b"SET tcp_keepalives_interval = 10",
    b"SET tcp_keepalives_count = 3",
    b"SET tcp_user_timeout = 15000",
)


class UnsafeLibrarySetting(HouseError):
    """A setting of the eventsourcing library would lose events."""


class LedgerDatastore(postgres.PostgresDatastore):
    """The library's datastore with our session settings and none of its composite types."""

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """What a new connection is told first."""

        def configure(connection: Connection[Any]) -> None:
            connection.autocommit = True
            for statement in SESSION:
                connection.execute(statement)

        return configure

    def register_type_adapters(self) -> None:
        """Nothing: our statements use plain arrays."""


class LedgerFactory(postgres.PostgresFactory):
    """The library's factory; an Application made with it stores its events in the ledger."""

    application_recorder_class = LedgerRecorder

    def __init__(self, env: Environment | EnvType | None) -> None:
        """Read the library's settings from `env`, as `environment` makes them.

        Raises:
            UnsafeLibrarySetting: `POSTGRES_ENABLE_DB_FUNCTIONS` is on. It makes the library append
                without a lock, and a reader then skips a committed event for ever.
        """
        super().__init__(env)
        library = self.datastore
        if strtobool(self.env.get(self.POSTGRES_ENABLE_DB_FUNCTIONS) or "no"):
            library.close()
            raise UnsafeLibrarySetting(
                "POSTGRES_ENABLE_DB_FUNCTIONS is on, which lets readers skip events. Unset it."
            )
        conninfo = self.env.get(CONNINFO) or ""
        self.datastore = LedgerDatastore(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            connect_timeout=library.pool.timeout,
            pool_size=library.pool.min_size,
            max_overflow=library.pool.max_size - library.pool.min_size,
            conn_max_age=library.pool.max_lifetime,
            schema=library.schema,
            single_row_tracking=library.single_row_tracking,
        )
        # The whole connection string counts (TLS settings, several hosts), not the library's five.
        self.datastore.pool.reconnect_timeout = RECONNECT_SECONDS
        self.datastore.pool.connection_class = LedgerConnection
        self.datastore.pool.kwargs = {**conninfo_to_dict(conninfo), "row_factory": dict_row}
        library.close()


def environment(conninfo: str, *, connections: int) -> dict[str, str]:
    """The library's settings for an Application over the ledger at `conninfo`."""
    return {
        "PERSISTENCE_MODULE": PERSISTENCE_MODULE,
        CONNINFO: conninfo,
        # The library insists on these five; the connection string above is what is used.
        **dict.fromkeys(("POSTGRES_HOST", "POSTGRES_PASSWORD"), "-"),
        **dict.fromkeys(("POSTGRES_DBNAME", "POSTGRES_USER"), "-"),
        "POSTGRES_POOL_SIZE": "1",
        "POSTGRES_MAX_OVERFLOW": str(connections - 1),
        "POSTGRES_CONNECT_TIMEOUT": str(CONNECT_SECONDS),
    }
