"""`rapport command`, `rapport projections`, `rapport notifier`: one service each."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.options import DataDir, Host, Port, settings_for


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command("command")(command)
    app.command("projections")(projections)
    app.command("notifier")(notifier)


def command(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Take in and record events."""
    from rapport.running.command import run_command

    run_command(settings_for(data_dir, host=host, port=port))


def projections(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    serves: Annotated[bool, typer.Option("--serve/--no-serve", help="Answer HTTP too.")] = True,
) -> None:
    """Fold recorded events into read models, and answer queries and pages."""
    from rapport.running.projections import run_projections, run_worker

    settings = settings_for(data_dir, host=host, port=port)
    if serves:
        run_projections(settings)
    else:
        run_worker(settings)


def notifier(data_dir: DataDir = None) -> None:
    """Turn churn signals into alerts and deliver them."""
    from rapport.running.notifier import run_notifier

    run_notifier(settings_for(data_dir))
