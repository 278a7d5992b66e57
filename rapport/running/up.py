"""The all-in-one program: the database, HTTP and the other services, started by one command.

This process runs PostgreSQL and answers HTTP; projections, notifier and signer are children, so a
long fold never holds up a request. On the way out everything is stopped in the opposite order.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson
import structlog

from infra.plumbing.access import Access, create_key
from infra.plumbing.telemetry import configure_logging
from rapport.options import endpoint_path, local_key_path
from rapport.running.children import Children
from rapport.running.house import open_house
from rapport.running.serve import (
    build_app,
    command_service,
    in_background,
    loops,
    projection_service,
    serve,
    take_port,
    url_of,
)
from rapport.running.signals import StopSignals
from rapport.running.signer import MAY_NOT, can_sign
from services.notifier.discovery import open_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from infra.plumbing.settings import Settings
    from rapport.running.house import House
    from rapport.running.serve import Loop
    from services.command.service import CommandService

log = structlog.get_logger("rapport.up")


def up(settings: Settings, when_ready: Callable[[House, str], None]) -> None:
    """Run the platform until it is asked to stop; `when_ready` gets the house and the URL.

    Raises:
        HouseError: a taken port, a folder in use or unwritable, a wrong URL, in plain words.
    """
    configure_logging(settings.log_level)
    open_channels(settings)  # a wrong webhook setting is told now, not by a child that keeps dying
    with (
        StopSignals() as signals,
        take_port(settings.host, settings.port) as taken,
        open_house(settings, what="rapport up") as house,
        command_service(house) as command,
        in_background(_loops(house, command)),
        _announced(house, url_of(taken)),
        Children(_services(house)),
    ):
        app = build_app(house, command=command, projections=projection_service(house))
        signals.serving = True
        serve(app, taken, lambda: when_ready(house, url_of(taken)))


def _loops(house: House, command: CommandService) -> list[Loop]:
    """What this process does beside answering HTTP."""
    embedded = house.database.embedded
    watching: list[Loop] = [] if embedded is None else [("postgres", embedded.watch)]
    return [*loops(house, command), *watching]


def _services(house: House) -> list[list[str]]:
    """The commands of the child processes.

    A signer that may not sign is told of and left out: it may well run on a machine of its own.
    """
    folder = ["--data-dir", str(house.settings.data_dir)]
    services = [["projections", "--no-serve", *folder], ["notifier", *folder]]
    if can_sign(house.database.signer_conninfo):
        return [*services, ["signer", *folder]]
    log.warning("signer_not_started", reason="RAPPORT_DATABASE_SIGNER_URL")
    sys.stderr.write(f"rapport: No signer is started here. {MAY_NOT}\n")
    return services


@contextmanager
def _announced(house: House, url: str) -> Generator[None]:
    """While it runs, the data folder says how commands on this machine reach the platform."""
    _keep_local_key(house)
    path = endpoint_path(house.settings)
    write_private(path, orjson.dumps({"url": url, "pid": os.getpid()}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _keep_local_key(house: House) -> None:
    """An admin key in a file that only this user can read, made if there is no valid one."""
    path = local_key_path(house.settings)
    known = path.read_text().strip() if path.exists() else ""
    if known and Access(house.vault_pool).verify(known) is not None:
        return
    with house.vault_pool.connection() as connection:
        key = create_key(connection, "admin").key
    write_private(path, key.encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
