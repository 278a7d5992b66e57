"""`rapport retention`: drop what was said long enough ago. The proofs stay."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from rapport.options import DataDir, Json, settings_for

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg import Connection

    from events.retention import Cutoff
    from infra.plumbing.ledger.retention import Progress

RETENTION = typer.Typer(
    help="Drop the bodies of events past their retention class.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    RETENTION.callback()(_group)
    app.add_typer(RETENTION, name="retention")


def _group() -> None:
    """Drop the bodies of events past their retention class."""


@RETENTION.command("apply")
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Empty the bodies of events past their class, for good; safe to break off and repeat."""
    from events.catalog import Catalog, catalog
    from events.retention import cutoffs
    from infra.plumbing.clock import system_clock

    settings = settings_for(data_dir)
    language = catalog() if settings.schemas_dir is None else Catalog.load(settings.schemas_dir)
    past = cutoffs(language.types(), system_clock())
    with _owner(data_dir) as connection:
        found = _sweep(connection, past, drop=False)
        if dry_run or not found.events:
            _tell(found, past, as_json=as_json)
            return
        if not sure:
            _tell(found, past, as_json=False)
            typer.confirm("Drop them? This cannot be undone.", abort=True)
        _tell(_sweep(connection, past, drop=True), past, as_json=as_json)


@contextmanager
def _owner(data_dir: Path | None) -> Generator[Connection[Any]]:
    """A connection as the owner of the database, who alone may drop a body."""
    import psycopg

    from infra.plumbing.postgres.database import open_database
    from infra.plumbing.postgres.pool import session_conninfo

    with open_database(settings_for(data_dir), attach=True, what="rapport retention") as database:
        database.migrate()
        ours = session_conninfo(database.owner_conninfo, "retention")
        with psycopg.connect(ours, autocommit=True) as connection:
            yield connection


def _sweep(connection: Connection[Any], past: Sequence[Cutoff], *, drop: bool) -> Progress:
    """Go through the log with a bar on standard error; the whole count.

    Raises:
        DatabaseRefused: the user of the database is not its owner.
    """
    import psycopg
    from rich.console import Console
    from rich.progress import Progress as Bar

    from infra.plumbing.errors import DatabaseRefused
    from infra.plumbing.ledger.retention import Progress, sweep

    done = Progress(0)
    try:
        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("dropping" if drop else "counting", total=None)
            for done in sweep(connection, past, drop=drop):
                bar.update(task, total=done.size, completed=done.looked)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseRefused(
            "Only the owner of the database may drop bodies. Name it in RAPPORT_DATABASE_OWNER_URL."
        ) from error
    return done


def _tell(progress: Progress, past: Sequence[Cutoff], *, as_json: bool) -> None:
    classes = {cutoff.type: cutoff.retention for cutoff in past}
    items = [
        {"type": kind, "class": classes[kind], "events": count, "bytes": progress.bytes[kind]}
        for kind, count in sorted(progress.events.items())
    ]
    if as_json:
        typer.echo(orjson.dumps({"dropped": progress.dropped, "items": items}))
        return
    for item in items:
        typer.echo("{class:<13} {type:<26} {events:>9} events {bytes:>12} bytes".format(**item))
    total = progress.events.total()
    if not total:
        typer.echo("Nothing is past its retention.")
    elif progress.dropped:
        typer.echo(
            f"{progress.dropped} bodies were dropped. Their leaves stay: proofs still verify."
        )
    else:
        typer.echo(f"{total} bodies are past their retention. Nothing was changed.")
