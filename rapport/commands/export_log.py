"""`rapport export-log`: the ledger as files that anybody can check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.options import DataDir, settings_of_platform


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("export-log")(export)


def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the files.")],
    data_dir: DataDir = None,
) -> None:
    """Write the log as far as its last checkpoint; `rapport verify DIR` checks it anywhere."""
    from rich.console import Console
    from rich.progress import Progress

    from rapport.running.export import export_now
    from rapport.running.signals import leaving_when_asked

    console = Console(stderr=True)
    with leaving_when_asked(), Progress(console=console, transient=True) as bar:
        task = bar.add_task("events", total=None)
        done, behind = export_now(
            settings_of_platform(data_dir),
            out,
            lambda written, total: bar.update(task, completed=written, total=total),
        )
    typer.echo(
        f"{done.counts.events} events, as {done.checkpoint.origin} signed them, are in {out}."
    )
    for half in done.left:
        typer.echo(
            f"{half} was left by an export that was killed and cannot be removed: remove it.",
            err=True,
        )
    if behind:
        typer.echo(
            f"{behind} more came after the last checkpoint: no signer answered. Start one "
            "(`rapport up` or `rapport signer --once`) and export again to have them too.",
            err=True,
        )
