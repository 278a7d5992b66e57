"""`rapport command`, `rapport projections`, `rapport notifier`: one service each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from infra.plumbing.telemetry import configure_logging
from rapport.children import stop_with_parent
from rapport.house import open_house
from rapport.options import DataDir, settings_for
from rapport.serve import (
    build_app,
    command_service,
    in_background,
    projection_service,
    serve,
    take_port,
    url_of,
)
from rapport.signals import StopSignals
from services.notifier.discovery import open_channels
from services.notifier.service import NotifierService

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command("command")(command)
    app.command("projections")(projections)
    app.command("notifier")(notifier)


def command(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Take in and record events."""
    settings = settings_for(data_dir, host=host, port=port)
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        take_port(settings.host, settings.port) as taken,
        open_house(settings, what="rapport command", attach=True) as house,
        command_service(house) as service,
        in_background([("proposals", service.run_proposals)]),
    ):
        app = build_app(house, command=service)
        signals.serving = True
        serve(app, taken, lambda: typer.echo(f"ready {url_of(taken)}"))


def projections(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    serves: Annotated[bool, typer.Option("--serve/--no-serve", help="Answer HTTP too.")] = True,
) -> None:
    """Fold recorded events into read models, and answer queries and pages."""
    settings = settings_for(data_dir, host=host, port=port)
    configure_logging(settings.log_level)
    with StopSignals() as signals, ExitStack() as stack:
        taken = stack.enter_context(take_port(settings.host, settings.port)) if serves else None
        house = stack.enter_context(open_house(settings, what="rapport projections", attach=True))
        worker = projection_service(house)
        signals.serving = True
        if taken is None:
            stop_with_parent(signals.stop)
            worker.run_worker(signals.stop)
            return
        with in_background([("worker", worker.run_worker)]):
            app = build_app(house, projections=worker)
            serve(app, taken, lambda: typer.echo(f"ready {url_of(taken)}"))


def notifier(data_dir: DataDir = None) -> None:
    """Turn churn signals into alerts and deliver them."""
    settings = settings_for(data_dir)
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        open_house(settings, what="rapport notifier", attach=True) as house,
    ):
        channels = open_channels(settings)
        service = NotifierService(house.ledger, house.pool, channels)
        signals.serving = True
        stop_with_parent(signals.stop)
        service.run(signals.stop)
