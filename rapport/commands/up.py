"""`rapport up`: the whole platform in one program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport.demo import Demo
from rapport.options import DataDir, settings_for
from rapport.up import up

if TYPE_CHECKING:
    from rapport.house import House


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("up")(start)


def start(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data_dir: DataDir = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the bundled purchases and a labelled simulation.")
    ] = False,
) -> None:
    """Start the platform and keep it running until Ctrl-C or SIGTERM."""
    settings = settings_for(data_dir, host=host, port=port)

    def ready(house: House, url: str) -> None:
        typer.echo(f"ready {url}")
        if demo:
            Demo(house, url).start()

    up(settings, ready)
