"""`rapport load`: the bundled purchases, or a file of CloudEvents, into a running platform."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.options import DataDir, Key, Url, client_for


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("load")(load_it)


def load_it(
    what: Annotated[str, typer.Argument(metavar="FILE|online-retail")],
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Load events; safe to interrupt and to repeat. Leaves with 1 if anything was refused."""
    from rich.console import Console

    from rapport.load import load
    from rapport.load_report import ConsoleReport, summary

    console = Console()
    with client_for(url, key, data_dir) as client, ConsoleReport(console, what) as report:
        tally = load(client, what, report)
    console.print(summary(tally), highlight=False)
    raise typer.Exit(tally.exit_code)
