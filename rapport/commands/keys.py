"""`rapport keys`: make, list and revoke API keys."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from rapport.options import DataDir, Json, settings_for, settings_of_platform

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from psycopg import Connection

    from infra.plumbing.revoked import Revoked

KEYS = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(KEYS, name="keys")


@contextmanager
def _connection(
    data_dir: Path | None, *, new: bool = False
) -> Generator[tuple[Connection[Any], Revoked]]:
    """A connection to the platform's database, and what was revoked, known to both.

    Only with `new` may there be no platform yet.
    """
    from infra.plumbing.clock import system_clock
    from infra.plumbing.postgres.database import open_database
    from infra.plumbing.revoked import Revoked

    settings = settings_for(data_dir) if new else settings_of_platform(data_dir)
    with open_database(settings, attach=True, what="rapport keys") as database:
        database.migrate()
        with database.vault_pool("keys") as pool:
            revoked = Revoked(settings.data_dir, system_clock)
            with pool.connection() as connection:
                revoked.agree(connection)
            with pool.connection() as connection:
                yield connection, revoked


@KEYS.command("create")
def create(
    role: Annotated[str, typer.Option(help="emitter, marketer, auditor, operator, admin ...")],
    source: Annotated[
        str | None, typer.Option(help="For an emitter: the only source it may write.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it; it is shown this once."""
    from infra.plumbing.access import create_key

    with _connection(data_dir, new=True) as (connection, _):
        made = create_key(connection, role, source)
    if as_json:
        typer.echo(orjson.dumps({"id": made.id, "key": made.key}))
    else:
        typer.echo(f"{made.key}\nKeep it: it is not shown again. Revoke it by its id, {made.id}.")


@KEYS.command("list")
def show(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List every key without its secret."""
    from infra.plumbing.access import list_keys

    with _connection(data_dir) as (connection, _):
        rows = list_keys(connection)
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    for row in rows:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "valid"
        made = f"made {row.created_at:%Y-%m-%d %H:%M}"
        typer.echo("  ".join((row.id, f"{row.role:<9}", state, made, row.source or "")).rstrip())


@KEYS.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")], data_dir: DataDir = None) -> None:
    """End a key, for good; it stops everywhere within a second."""
    with _connection(data_dir) as (connection, revoked):
        ended = revoked.revoke(connection, key_id)
    if not ended:
        raise typer.BadParameter(
            f"There is no valid key {key_id}: see `rapport keys list`.", param_hint="ID"
        )
    typer.echo(f"Key {key_id} is revoked. A restored database is told by {revoked.path}.")
