"""`rapport dev`: tools for trying things out. What they make up is labelled as made up."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.options import DataDir, Key, Url, client_for

DEV = typer.Typer(help="Tools for trying things out.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(DEV, name="dev")


@DEV.callback()
def dev() -> None:
    """Tools for trying things out."""


@DEV.command("sample")
def sample(
    customers: Annotated[int, typer.Option(min=1, help="How many of the loaded customers.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same events.")] = 1,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Add simulated touchpoints to the Online Retail customers, source simulator/sample-SEED."""
    from rich.console import Console

    from rapport.load import load_events
    from rapport.load_report import ConsoleReport, summary
    from rapport.simulate import simulate

    console = Console()
    title = f"simulated touchpoints (seed {seed})"
    with client_for(url, key, data_dir) as client, ConsoleReport(console, title) as report:
        tally = load_events(client, simulate(customers, seed), report)
    console.print(summary(tally), highlight=False)
    raise typer.Exit(tally.exit_code)
