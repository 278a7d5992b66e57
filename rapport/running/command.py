"""The command service by itself: intake over HTTP and the recording of proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra.plumbing.telemetry import configure_logging
from rapport.running.house import open_house
from rapport.running.serve import (
    build_app,
    command_service,
    in_background,
    loops,
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
        in_background(loops(house, service)),
    ):
        app = build_app(house, command=service)
        signals.serving = True
        serve(app, taken, lambda: typer.echo(f"ready {url_of(taken)}"))
