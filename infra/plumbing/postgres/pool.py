"""Connections: one pool per use, the same session settings for all, and the address in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.plumbing.errors import DatabaseUnreachable
from infra.plumbing.postgres.provision import unreachable

Pool = ConnectionPool[psycopg.Connection[tuple[Any, ...]]]

OPEN_SECONDS = 10.0
"""How long the first connection may take, and later a free one."""
RECONNECT_SECONDS = 5.0
"""Within one round of attempts to connect the pauses double; then a new round begins when asked.

The library's own five minutes would let a pool sleep for minutes after the server is back (P14).
"""
UNACKNOWLEDGED_MS = 15_000
"""A peer that takes no bytes for so long (a cut cable, a vanished host) is given up."""
IDLE_TRANSACTION = "60s"
"""A stopped process must not hold its locks for ever."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database's address in the five parts some libraries want; `host` may be a socket folder."""

    host: str
    port: int
    dbname: str
    user: str
    password: str


def address(conninfo: str) -> Address:
    """Take a libpq string or URL apart; what it does not name is libpq's default or empty."""
    parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items()}
    user = parts.get("user", "")
    return Address(
        host=parts.get("host", ""),
        port=int(parts.get("port") or 5432),
        dbname=parts.get("dbname", user),
        user=user,
        password=parts.get("password", ""),
    )


def session_conninfo(conninfo: str, name: str) -> str:
    """Add what every session of ours has: name, UTC, lasting commits, limits on waiting."""
    given = str(conninfo_to_dict(conninfo).get("options") or "")
    ours = (
        "-c TimeZone=UTC -c synchronous_commit=on -c client_encoding=UTF8 "
        f"-c idle_in_transaction_session_timeout={IDLE_TRANSACTION}"
    )
    return make_conninfo(
        conninfo,
        application_name=f"rapport {name}"[:63],
        options=f"{given} {ours}".strip(),
        connect_timeout=10,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=UNACKNOWLEDGED_MS,
    )


def make_pool(conninfo: str, *, min_size: int = 1, max_size: int = 8, name: str) -> Pool:
    """Open a pool and wait for its first connections; close it, or use it in a `with`.

    A connection is checked as it is handed out, so a restarted server costs no failed request.
    Sessions speak UTC, and a transaction left idle for 60 s is ended by the server.

    Raises:
        DatabaseUnreachable: no connection within 10 s.
    """
    ours = session_conninfo(conninfo, name)
    try:
        psycopg.connect(ours).close()  # a pool that cannot connect says so late and not why
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    pool: Pool = ConnectionPool(
        ours,
        min_size=min_size,
        max_size=max_size,
        name=name,
        open=False,
        timeout=OPEN_SECONDS,
        max_lifetime=3600.0,
        reconnect_timeout=RECONNECT_SECONDS,
        check=ConnectionPool.check_connection,
    )
    pool.open()
    try:
        pool.wait(OPEN_SECONDS)
    except PoolTimeout as error:
        pool.close()
        raise DatabaseUnreachable(
            f"The database gives no {min_size} connections within {OPEN_SECONDS:.0f} seconds. See "
            "that its server runs; raise its max_connections, or stop what else uses it."
        ) from error
    return pool
