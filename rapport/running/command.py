"""The command service by itself: intake over HTTP and the recording of proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra.plumbing.ledger.tiles import TileWriter
from infra.plumbing.telemetry import configure_logging
from rapport.running.house import open_house
from rapport.running.serve import (
    build_app,
    command_service,
    in_background,
    serve,
    take_port,
    url_of,
)
from rapport.running.signals import StopSignals

if TYPE_CHECKING:
    from infra.plumbing.settings import Settings


def run_command(settings: Settings) -> None:
    """Take in and record events until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        take_port(settings.host, settings.port) as taken,
        open_house(settings, what="rapport command", attach=True) as house,
        command_service(house) as service,
        in_background(
            [
                ("proposals", service.run_proposals),
                ("privacy", service.run_privacy),
                ("tiles", TileWriter(house.pool).run),
                ("revoked keys", house.watch_keys),
            ]
        ),
    ):
        app = build_app(house, command=service)
        signals.serving = True
        serve(app, taken, lambda: typer.echo(f"ready {url_of(taken)}"))
