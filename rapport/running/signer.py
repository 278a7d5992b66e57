"""The signer as a program: a checkpoint every minute or ten thousand events, published.

It has a database user of its own that reads positions and leaves, a key that nobody else has, and
ends with one sentence when the log is not the one it signed before.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from infra.plumbing.clock import system_clock
from infra.plumbing.errors import HouseError
from infra.plumbing.ledger.kept import LogRefused, write_refusal
from infra.plumbing.ledger.signing import ASK_CHANNEL, Signer, is_due, may_sign, places_of
from infra.plumbing.ledger.started import refuse_another_log
from infra.plumbing.postgres.database import open_database
from infra.plumbing.postgres.pool import session_conninfo
from infra.plumbing.telemetry import configure_logging
from rapport.running.children import stop_with_parent
from rapport.running.signals import StopSignals
from rapport.running.telling import Teller

if TYPE_CHECKING:
    from collections.abc import Generator
    from threading import Event

    from infra.plumbing.settings import Settings

LOOK_SECONDS = 1.0
MAY_NOT = (
    "The database's user may not add checkpoints. Name rapport_signer in "
    "RAPPORT_DATABASE_SIGNER_URL; see `Your own PostgreSQL` in docs/operator.md."
)
_LISTEN = f"LISTEN {ASK_CHANNEL}".encode()

log = structlog.get_logger("rapport.signer")


class SignerRunning(HouseError):
    """Another signer works with the same key and memory."""


class SignerMayNot(HouseError):
    """The database's user may not add checkpoints."""


class DatabaseNotReady(HouseError):
    """The database has not been brought to the shape this program needs."""


def run_signer(settings: Settings, *, once: bool = False) -> None:
    """Sign until SIGTERM or SIGINT, or until the parent is gone; `once`: sign once and leave.

    Raises:
        SignerError: the log is not the one signed before, or a file is missing or damaged.
        SignerRunning: another signer runs with the same files.
        SignerMayNot: the database's user may not add checkpoints.
        HouseError: no database, or one that no program has prepared yet.
    """
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        open_database(settings, attach=True, what="rapport signer") as database,
        _alone(settings),
    ):
        signals.serving = True
        stop_with_parent(signals.stop)
        Work(settings, database.signer_conninfo, signals.stop).run(once=once)


def can_sign(conninfo: str) -> bool:
    """Whether a signer that works as this user could do its work.

    A user who cannot be reached just now is believed: the signer itself waits for the database.
    """
    try:
        with psycopg.connect(session_conninfo(conninfo, "signer"), autocommit=True) as connection:
            return may_sign(connection)
    except psycopg.OperationalError:
        return True


@dataclass(slots=True)
class Work:
    """The loop and what it remembers between two looks."""

    settings: Settings
    conninfo: str
    stop: Event
    signed_at: float = field(default_factory=monotonic)

    def run(self, *, once: bool) -> None:
        """Until told to stop; a lost connection is made again."""
        while not self.stop.is_set():
            try:
                with psycopg.connect(
                    session_conninfo(self.conninfo, "signer"), autocommit=True
                ) as connection:
                    if not may_sign(connection):
                        raise SignerMayNot(MAY_NOT)
                    self._sign_until_stopped(connection, once=once)
            except psycopg.errors.UndefinedTable as error:
                raise DatabaseNotReady(
                    "The database has not been prepared by this release yet. Start `rapport up` "
                    "or `rapport command` first."
                ) from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise SignerMayNot(MAY_NOT) from error
            except psycopg.OperationalError as error:
                log.warning("database lost", error=type(error).__name__, again_in=LOOK_SECONDS)
                self.stop.wait(LOOK_SECONDS)
            else:
                return

    def _sign_until_stopped(self, connection: psycopg.Connection[Any], *, once: bool) -> None:
        try:
            self._work(connection, once=once)
        except LogRefused as refusal:
            log.critical("log refused", error=type(refusal).__name__)
            write_refusal(self.settings.checkpoints_path, refusal)
            raise

    def _work(self, connection: psycopg.Connection[Any], *, once: bool) -> None:
        places = places_of(self.settings)
        refuse_another_log(connection, places.published)  # every leaf: who refused goes on refusing
        signer = Signer(connection, places, system_clock)
        url = self.settings.checkpoint_webhook_url
        told = places.remembered.with_name("told.json")
        teller = None if url is None else Teller(url, told, signer.key.name)
        self._sign(signer)
        write_refusal(places.published, None)
        connection.execute(_LISTEN)
        asked = True  # somebody may have asked before LISTEN
        looked_at = 0.0
        while not (once or self.stop.is_set()):
            unsigned = signer.look().size - signer.size
            if is_due(unsigned, monotonic() - self.signed_at, asked=asked):
                self._sign(signer)
            if monotonic() - looked_at >= LOOK_SECONDS:  # however often somebody asks
                looked_at = monotonic()
                signer.reread()
            if teller is not None:
                teller.turn(connection)
            # Taken to its end: a generator left half-way holds the connection's lock.
            asked = bool(list(connection.notifies(timeout=LOOK_SECONDS, stop_after=1)))
        self._sign(signer)  # on an orderly end nothing is left unsigned
        if teller is not None:
            teller.turn(connection)

    def _sign(self, signer: Signer) -> None:
        if signer.sign() is not None:
            self.signed_at = monotonic()
            log.info("checkpoint signed", position=signer.size)


@contextmanager
def _alone(settings: Settings) -> Generator[None]:
    """One signer at a time: two would forget each other's last checkpoint."""
    folder = places_of(settings).remembered.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SignerRunning(
                "A signer runs with this data folder already; it signs by itself every minute."
            ) from None
        yield
