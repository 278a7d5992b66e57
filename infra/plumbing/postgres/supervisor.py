"""PostgreSQL as our own child: made once, started, restarted when it dies, stopped.

    <data folder>/
        rapport.lock            who is using the folder
        postgres/
            connection.json     socket folder and passwords, 0600
            server.log          the server's own words, without statements or values
            data/               the database files

The server is a direct child, never a daemon: a killed daemon becomes a zombie that blocks the next
start. It listens on a Unix socket in a private folder and on no network address. It is meant for
one machine and for evaluation; for more, set RAPPORT_DATABASE_URL.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from infra.plumbing.errors import DataFolderDamaged, PostgresError
from infra.plumbing.postgres import cluster as programs
from infra.plumbing.postgres.account import new_socket_folder, server_account
from infra.plumbing.postgres.cluster import Cluster
from infra.plumbing.postgres.facts import APP, Facts, new_facts, read_facts, write_facts
from infra.plumbing.postgres.folder import FolderLock, make_lasting, prepare, unwritable
from infra.plumbing.postgres.provision import provide_roles_and_database

if TYPE_CHECKING:
    import subprocess

HOME = "postgres"
CONNECTION_FILE = "connection.json"
_WATCH_SECONDS = 0.5


class EmbeddedPostgres:
    """The server of one data folder. Thread-safe; at most one per folder on a machine."""

    def __init__(self, data_dir: Path, *, what: str = "rapport", serving: bool = True) -> None:
        """Describe it; nothing happens before `start`.

        `what` tells a second program who is using the folder; `serving=False` marks a brief
        command, which a second program waits for instead of giving up.
        """
        self._folder = data_dir.absolute()
        self._what = what
        self._serving = serving
        self._lock = FolderLock(self._folder)
        self._guard = threading.RLock()
        self._facts: Facts | None = None
        self._cluster: Cluster | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def conninfo(self) -> str:
        """How the application connects; the same until `stop`, also over restarts."""
        return self.conninfo_of(APP)

    def conninfo_of(self, role: str) -> str:
        """How one of `facts.LOGINS` connects."""
        return self._known()[1].conninfo(role)

    def superuser_conninfo(self, dbname: str = "postgres") -> str:
        """How the superuser connects; for fixtures, never for the application."""
        return self._known()[1].superuser_conninfo(dbname)

    @property
    def pid(self) -> int | None:
        """The server's process; None while it does not run."""
        server = self._server
        return server.pid if server is not None and server.poll() is None else None

    def is_alive(self) -> bool:
        """Say whether the server process runs."""
        return self.pid is not None

    def start(self) -> None:
        """Take the folder, make the database if there is none, and run the server.

        Does nothing when already started.

        Raises:
            DataFolderError: the folder is in use, unwritable or damaged.
            ServerNotStarted: the server did not come up; the folder is free again.
        """
        with self._guard:
            if self._server is not None:
                return
            prepare(self._folder)
            self._lock.claim(self._what, serving=self._serving)
            try:
                self._open()
            except OSError as error:
                self.stop()
                raise unwritable(self._folder, error) from error
            except BaseException:
                self.stop()
                raise

    def ensure(self) -> bool:
        """Restart the server if it has died; say whether that was needed.

        Raises:
            PostgresError: it was never started, or does not come up again.
        """
        with self._guard:
            cluster, facts = self._known()
            if self.is_alive():
                return False
            self._server = programs.launch(cluster, facts)
            return True

    def watch(self, stop: threading.Event) -> None:
        """Restart the server whenever it dies, until `stop` is set; to be run in a thread.

        Raises:
            PostgresError: it does not come up again.
        """
        while not stop.wait(_WATCH_SECONDS):
            self.ensure()

    def stop(self) -> None:
        """Stop the server (open transactions are rolled back) and free the folder."""
        with self._guard:
            if self._server is not None:
                programs.end(self._server)
                self._server = None
            if self._facts is not None:
                shutil.rmtree(self._facts.socket_folder, ignore_errors=True)
                self._facts = None
            self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _known(self) -> tuple[Cluster, Facts]:
        if self._cluster is None or self._facts is None:
            raise PostgresError("The embedded PostgreSQL server is not started.")
        return self._cluster, self._facts

    def _open(self) -> None:
        """Do what `start` promises, holding the folder."""
        home = self._folder / HOME
        home.mkdir(mode=0o711, exist_ok=True)
        make_lasting(self._folder)
        self._cluster = cluster = Cluster(home, server_account(home / "data"))
        before = read_facts(home / CONNECTION_FILE)
        if before is None and cluster.data.exists():
            raise DataFolderDamaged(
                f"The file {home / CONNECTION_FILE} is missing, and with it the passwords of the "
                "database beside it. Bring it back from a backup."
            )
        if before is not None:
            _forget_socket(before)
        facts = before or new_facts()
        self._facts = facts = replace(facts, socket_folder=str(new_socket_folder(cluster.account)))
        write_facts(home / CONNECTION_FILE, facts)
        if not cluster.data.exists():
            programs.create(cluster, facts)
        programs.refuse_other_release(cluster)
        self._server = programs.launch(cluster, facts)
        provide_roles_and_database(facts)


def _forget_socket(facts: Facts) -> None:
    """Remove the socket folder that a killed program left behind, if it is still that."""
    left = Path(facts.socket_folder)
    if left.name.startswith("rapport-") and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
