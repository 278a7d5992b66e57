"""How to reach the embedded server of a data folder: kept in one file, mode 0600.

The passwords are made once, before the database exists; the socket folder is new at each start.
Only the supervisor reads the superuser's part. What each role may do is in grants.sql.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import orjson
from psycopg.conninfo import make_conninfo

from infra.plumbing.errors import DataFolderDamaged
from infra.plumbing.postgres.account import PORT
from infra.plumbing.postgres.folder import make_lasting, unwritable

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "rapport"
OWNER = "rapport"
"""Owns the database and migrates it."""
APP = "rapport_app"
"""Does the work: may add to the ledger, and change nothing in it."""
VAULT = "rapport_vault"
"""Does the work that needs customers' keys, identifiers or API keys."""
SIGNER = "rapport_signer"
AUDITOR = "rapport_auditor"
LOGINS = {
    OWNER: "password",
    APP: "app_password",
    VAULT: "vault_password",
    SIGNER: "signer_password",
    AUDITOR: "auditor_password",
}
"""Every role that logs in to the embedded server, and where its password stands."""
SUPERUSER = "postgres"
_ALWAYS_THERE = {"socket_folder", "password", "superuser_password"}


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the server's socket is and the passwords; `password` is the owner's."""

    socket_folder: str
    password: str
    superuser_password: str
    app_password: str
    vault_password: str
    signer_password: str
    auditor_password: str

    def conninfo(self, role: str = APP) -> str:
        """Connect as one of `LOGINS`, as the application if not said; none is a superuser."""
        return make_conninfo(
            host=self.socket_folder,
            port=PORT,
            dbname=DATABASE,
            user=role,
            password=self.password_of(role),
        )

    def password_of(self, role: str) -> str:
        """The password of one of `LOGINS`."""
        return str(getattr(self, LOGINS[role]))

    def superuser_conninfo(self, dbname: str = "postgres") -> str:
        """Connect as the superuser; for the supervisor and the tests' fixtures only."""
        return make_conninfo(
            host=self.socket_folder,
            port=PORT,
            dbname=dbname,
            user=SUPERUSER,
            password=self.superuser_password,
        )


_NAMES = tuple(part.name for part in fields(Facts))


def new_facts() -> Facts:
    """Make passwords of 32 random bytes; there is no socket yet."""
    passwords = {name: secrets.token_urlsafe(32) for name in _NAMES}
    return Facts(**{**passwords, "socket_folder": ""})


def read_facts(file: Path) -> Facts | None:
    """Read the file; None if there is none.

    A password that an older release did not have is made anew: the next start sets it.

    Raises:
        DataFolderDamaged: it is there and cannot be understood.
        DataFolderUnwritable: this user may not read it.
    """
    try:
        found: Any = orjson.loads(file.read_bytes())
        told = {name: str(found[name]) for name in _NAMES if name in found or name in _ALWAYS_THERE}
        return replace(new_facts(), **told)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unwritable(file.parent, error) from error
    except (ValueError, KeyError, TypeError):
        raise DataFolderDamaged(
            f"The file {file} is damaged. Bring it back from a backup; it holds the passwords of "
            "the embedded database."
        ) from None


def write_facts(file: Path, facts: Facts) -> None:
    """Write the file in one step, readable by its owner alone."""
    half = file.with_suffix(".new")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    try:
        os.write(handle, orjson.dumps(asdict(facts)))
        os.fsync(handle)
    finally:
        os.close(handle)
    owner = file.parent.stat()
    if os.geteuid() == 0:  # root may use an ordinary user's folder, and must not lock that user out
        os.chown(half, owner.st_uid, owner.st_gid)
    half.replace(file)
    make_lasting(file.parent)
