"""`rapport login`: a link that opens the pages once."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.options import DataDir, endpoint_of, settings_for


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("login")(login)


def login(
    role: Annotated[str, typer.Option(help="What the browser session may do.")] = "marketer",
    data_dir: DataDir = None,
) -> None:
    """Print a link that logs a browser in, once, within an hour."""
    from infra.plumbing.access import create_login_token
    from infra.plumbing.postgres.database import open_database

    settings = settings_for(data_dir)
    url = endpoint_of(settings)
    with (
        open_database(settings, attach=True, what="rapport login") as database,
        database.vault_pool("login") as pool,
        pool.connection() as connection,
    ):
        typer.echo(f"{url}/login?token={create_login_token(connection, role)}")
