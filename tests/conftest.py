"""What every test may ask for: a real PostgreSQL server, a fresh migrated database, settings.

One embedded server per test process (and so per xdist worker) and one database per test, cloned
from a migrated template. The server runs with the product's own options, fsync included; its files
lie in memory where that is possible.

`conninfo` is the application's, who may not change what is recorded nor make tables of its own;
`vault_conninfo` is that of the services that also need keys and identifiers,
`owner_conninfo` that of the database's owner, `intruder` a superuser who has switched off what
defends the ledger.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from infra.plumbing.postgres.facts import APP, OWNER, VAULT
from infra.plumbing.postgres.grants import grant
from infra.plumbing.postgres.migrate import migrate
from infra.plumbing.postgres.pool import Pool, address, make_pool
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from infra.plumbing.settings import ENV_PREFIX, Settings, load_settings
from tests.intrusion import switch_off_defences

if TYPE_CHECKING:
    from collections.abc import Generator

# Laws are tried by what they find, never by how long the machine took: on a fresh clone hypothesis
# first builds its tables of characters, and tests share two cores with others.
hypothesis.settings.register_profile(
    "rapport",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("rapport")

# Tests start `make` and other programs by themselves. Under `make test` they must not believe that
# they are a part of it, and what a shell's `&` ignores (Ctrl-C) must end them all the same.
for inherited in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(inherited, None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ENOUGH_BYTES = 2_000_000_000
TEMPLATE = "template_migrated"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own RAPPORT_... variables must not change what is tested."""
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def quick_place() -> Path:
    """Where database files of tests go: into memory if there is room, else to the disk."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    return MEMORY if roomy else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def postgres_server(quick_place: Path) -> Generator[EmbeddedPostgres]:
    """The embedded server of this test process."""
    folder = Path(tempfile.mkdtemp(prefix="rapport-tests-", dir=quick_place))
    try:
        with EmbeddedPostgres(folder, what="pytest") as server:
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database with all migrations applied, to clone from."""
    _create(postgres_server, TEMPLATE)
    owner = make_conninfo(postgres_server.conninfo_of(OWNER), dbname=TEMPLATE)
    migrate(owner)
    grant(owner)
    return TEMPLATE


@pytest.fixture
def empty_conninfo(postgres_server: EmbeddedPostgres) -> Generator[str]:
    """A fresh database without any migration, as its owner."""
    yield from _lend(postgres_server, "template1", OWNER)


@pytest.fixture
def conninfo(postgres_server: EmbeddedPostgres, template: str) -> Generator[str]:
    """A fresh migrated database, as the application."""
    yield from _lend(postgres_server, template, APP)


@pytest.fixture
def vault_conninfo(postgres_server: EmbeddedPostgres, conninfo: str) -> str:
    """The same database, as the services that meet customers by name."""
    return make_conninfo(postgres_server.conninfo_of(VAULT), dbname=address(conninfo).dbname)


@pytest.fixture
def owner_conninfo(postgres_server: EmbeddedPostgres, conninfo: str) -> str:
    """The same database, as its owner."""
    return make_conninfo(postgres_server.conninfo_of(OWNER), dbname=address(conninfo).dbname)


@pytest.fixture
def intruder(
    postgres_server: EmbeddedPostgres, conninfo: str
) -> Generator[psycopg.Connection[Any]]:
    """The same database, as a superuser (autocommit) who has switched off what defends it."""
    superuser = postgres_server.superuser_conninfo(address(conninfo).dbname)
    with psycopg.connect(superuser, autocommit=True) as connection:
        switch_off_defences(connection, "ledger.removals", "vault.fences")
        yield connection


@pytest.fixture
def pool(conninfo: str) -> Generator[Pool]:
    """A pool on the fresh migrated database."""
    with make_pool(conninfo, name="test") as opened:
        yield opened


@pytest.fixture
def vault_pool(vault_conninfo: str) -> Generator[Pool]:
    """A pool on the same database that also reaches keys and identifiers."""
    with make_pool(vault_conninfo, name="test vault") as opened:
        yield opened


@pytest.fixture
def settings(conninfo: str, vault_conninfo: str, tmp_path: Path) -> Settings:
    """Settings with a data folder of their own and the fresh database as their URL."""
    return load_settings(
        data_dir=tmp_path / "data",
        database_url=SecretStr(conninfo),
        database_vault_url=SecretStr(vault_conninfo),
    )


def _lend(server: EmbeddedPostgres, origin: str, role: str) -> Generator[str]:
    name = f"test_{uuid4().hex}"
    _create(server, name, origin)
    try:
        yield make_conninfo(server.conninfo_of(role), dbname=name)
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(server.superuser_conninfo(), autocommit=True) as conn:
            conn.execute(drop)


def _create(server: EmbeddedPostgres, name: str, origin: str = "template1") -> None:
    create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(origin)
    )
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as conn:
        conn.execute(create)
