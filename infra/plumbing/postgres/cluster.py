"""The two programs of PostgreSQL that we run: `initdb` once, `postgres` at each start.

Nothing here remembers anything; the supervisor does. The files are opened only when no other
PostgreSQL process works in them, and fsync is never turned off.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import psycopg

from infra.plumbing.errors import DataFolderDamaged, ServerNotStarted
from infra.plumbing.postgres.account import PORT, Account, give, server_programs
from infra.plumbing.postgres.folder import make_lasting
from infra.plumbing.postgres.memory import page_memory
from infra.plumbing.postgres.processes import end_orphans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.plumbing.postgres.facts import Facts

MAJOR = "18"
START_SECONDS = 60.0
"""How long a server may say nothing at all; one that says it is recovering is waited for."""
STOP_SECONDS = 30.0
LOG_LIMIT_BYTES = 10_000_000
_STEP_SECONDS = 0.02
OPTIONS: Sequence[str] = (
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "listen_addresses=",
    "unix_socket_permissions=0700",
    f"port={PORT}",
    "max_connections=100",
    "effective_cache_size=1GB",
    "work_mem=16MB",
    "maintenance_work_mem=128MB",
    # Segments of the log that were used are kept to be used again: making a new one costs an append
    # a third of its time (decision 47).
    "min_wal_size=512MB",
    "max_wal_size=2GB",
    "random_page_cost=1.1",
    "TimeZone=UTC",
    "log_timezone=UTC",
    # No statement and no value of a customer may reach the log: errors are the caller's to word.
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folder that holds the database files, the log beside it, and whose they are."""

    home: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The database files."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's own words."""
        return self.home / "server.log"


class _Circumstances(TypedDict):
    """How a program of PostgreSQL is started."""

    cwd: Path
    env: dict[str, str]
    umask: int
    user: int | None
    group: int | None
    extra_groups: list[int] | None


def create(cluster: Cluster, facts: Facts) -> None:
    """Make the database files beside their final place and move them there when whole.

    Raises:
        ServerNotStarted: `initdb` failed; the sentence has its last words.
    """
    half = cluster.home / "data.new"
    end_orphans(half)  # a program killed during its first start leaves initdb behind
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    give(half, cluster.account)
    secret = Path(facts.socket_folder) / "password"
    secret.touch(mode=0o600)
    try:
        secret.write_text(facts.superuser_password, encoding="utf-8")
        give(secret, cluster.account)
        _initdb(cluster, half, secret)
    finally:
        secret.unlink()
    half.rename(cluster.data)
    make_lasting(cluster.home)


def refuse_other_release(cluster: Cluster) -> None:
    """See that the files were made by the release of PostgreSQL that we run.

    Raises:
        DataFolderDamaged: they were not.
    """
    file = cluster.data / "PG_VERSION"
    made_by = file.read_text(encoding="utf-8").strip() if file.exists() else "an unknown release"
    if made_by != MAJOR:
        raise DataFolderDamaged(
            f"The database in {cluster.data} belongs to PostgreSQL {made_by}, this program brings "
            f"{MAJOR}. Start the release of the program that made it, or use another data folder."
        )


def launch(cluster: Cluster, facts: Facts) -> subprocess.Popen[bytes]:
    """Run the server on files that nobody else works in, and return when it answers.

    Raises:
        ServerNotStarted: it ended or stayed silent; it is not running any more.
    """
    end_orphans(cluster.data)
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    for left in Path(facts.socket_folder).glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)
    if cluster.log.exists() and cluster.log.stat().st_size > LOG_LIMIT_BYTES:
        cluster.log.replace(cluster.log.with_suffix(".log.old"))
    program = server_programs(cluster.account) / "postgres"
    cluster.log.touch(mode=0o600)
    with cluster.log.open("ab") as output:
        began = output.tell()
        try:
            server = subprocess.Popen(
                [program, "-D", _place(cluster, cluster.data), *_words(facts)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the program, which then stops the server
                **_circumstances(cluster, cluster.data),
            )
        except OSError as error:
            raise _not_executable(program, error) from error
    try:
        _wait_until_ready(server, facts, cluster.log, began)
    except BaseException:
        end(server)
        raise
    return server


def end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server at once but cleanly, and reap it; harder if it does not go."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)


def _initdb(cluster: Cluster, half: Path, secret: Path) -> None:
    """Run `initdb` in the empty folder `half`."""
    program = server_programs(cluster.account) / "initdb"
    words = [
        f"--pgdata={_place(cluster, half)}",
        f"--pwfile={secret}",
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    try:
        done = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **_circumstances(cluster, half),
        )
    except OSError as error:
        raise _not_executable(program, error) from error
    if done.returncode:
        raise ServerNotStarted(
            f"The database could not be made in {half}: {_last_words(done.stderr)}"
        )


def _circumstances(cluster: Cluster, folder: Path) -> _Circumstances:
    """Start in the folder, under the server's account, with nothing of our environment."""
    account = cluster.account
    return {
        "cwd": folder,
        "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        "umask": 0o077,
        "user": None if account is None else account.uid,
        "group": None if account is None else account.gid,
        "extra_groups": None if account is None else [],
    }


def _place(cluster: Cluster, folder: Path) -> str:
    """Name the working directory to the server.

    The account that root switches to may not be able to enter the folders above. It need not:
    /proc/self/cwd is the folder itself, and the server keeps it as its working directory.
    """
    if cluster.account is not None and sys.platform == "linux":
        return "/proc/self/cwd"
    return str(folder)


def _words(facts: Facts) -> list[str]:
    """Give the server its settings on the command line, where no file can contradict them."""
    options = [
        *OPTIONS,
        f"shared_buffers={page_memory()}",
        f"unix_socket_directories={facts.socket_folder}",
    ]
    if sys.platform == "linux":
        options.append("recovery_init_sync_method=syncfs")
    return [part for option in options for part in ("-c", option)]


def _wait_until_ready(server: subprocess.Popen[bytes], facts: Facts, log: Path, began: int) -> None:
    """Return when the server lets the superuser in."""
    silent_until = time.monotonic() + START_SECONDS
    while server.poll() is None:
        try:
            psycopg.connect(facts.superuser_conninfo(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise DataFolderDamaged(
                    "The embedded database does not know the password in connection.json. Bring "
                    "that file back from the backup that belongs to the database."
                ) from None
            if "starting up" in str(error) or "recovery" in str(error):
                silent_until = time.monotonic() + START_SECONDS
        else:
            return
        if time.monotonic() > silent_until:
            raise ServerNotStarted(
                f"PostgreSQL said nothing for {START_SECONDS:.0f} seconds; see {log}."
            )
        time.sleep(_STEP_SECONDS)
    with log.open("rb") as output:
        output.seek(began)
        words = _last_words(output.read())
    raise ServerNotStarted(f"PostgreSQL did not start: {words} (see {log}).")


def _last_words(output: bytes) -> str:
    """Pick the line that says why, else the last one."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL:" in line or "error:" in line]
    return (telling or lines or ["no reason given"])[-1].rstrip(".")


def _not_executable(program: Path, error: OSError) -> ServerNotStarted:
    """Word an operating system's refusal to run a program."""
    return ServerNotStarted(f"{program} cannot be run: {error.strerror or 'unknown reason'}.")
