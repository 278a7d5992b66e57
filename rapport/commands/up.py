"""`rapport up`: the whole platform in one program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport.options import DataDir, Host, Port, settings_for

if TYPE_CHECKING:
    from rapport.running.house import House


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("up")(start)


def start(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the bundled purchases and a labelled simulation.")
    ] = False,
) -> None:
    """Start the platform and keep it running until Ctrl-C or SIGTERM."""
    from rapport.running.demo import Demo
    from rapport.running.up import up

    def ready(house: House, url: str) -> None:
        typer.echo(f"ready {url}")
        if demo:
            Demo(house, url).start()

    up(settings_for(data_dir, host=host, port=port), ready)
