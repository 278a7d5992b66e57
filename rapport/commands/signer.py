"""`rapport signer`: sign the log as it grows. `rapport new-log`: part with a log that was lost."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.options import DataDir, settings_of_platform


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command("signer")(signer)
    app.command("new-log")(new_log)


def signer(
    data_dir: DataDir = None,
    once: Annotated[bool, typer.Option("--once", help="Sign what is there, then leave.")] = False,
) -> None:
    """Sign a checkpoint of the log every minute or ten thousand events, and publish it."""
    from rapport.running.signer import run_signer

    run_signer(settings_of_platform(data_dir), once=once)


def new_log(
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later. Nothing personal.")],
    data_dir: DataDir = None,
) -> None:
    """Go on, under a new name, with a database restored from before a published checkpoint."""
    from rapport.running.new_log import begin_new_log

    begun = begin_new_log(settings_of_platform(data_dir), reason)
    typer.echo(
        f"The log is now {begun.first.origin} and begins with the {begun.first.size} events that "
        f"were restored. The last checkpoint of {begun.old.origin} had {begun.old.size}; up to "
        f"position {begun.agrees.size} both can be shown to be the same.\n"
        f"The signed record of it is {begun.record}. Give it, with the new line in public-key "
        "beside it, to whoever keeps your checkpoints."
    )
