"""`rapport retention`: drop what was said long enough ago. The proofs stay."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from rapport.options import DataDir, Json, settings_of_platform

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg import Connection

    from events.retention import Cutoff
    from infra.plumbing.ledger.retention import Progress

MOST_NAMED = 20
"""So many positions are named in words; all of them with --json."""
MOST_WHO_CHARS, MOST_REASON_CHARS = 128, 500
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
    ordered_by: Annotated[
        str, typer.Option("--as", help="Who orders it. Without it: the machine's user.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Empty the bodies of events past their class, for good; safe to break off and repeat."""
    from events.catalog import Catalog, catalog
    from events.retention import cutoffs
    from infra.plumbing.clock import system_clock
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.ledger.retention import record_orders

    settings = settings_of_platform(data_dir)
    language = catalog() if settings.schemas_dir is None else Catalog.load(settings.schemas_dir)
    past = cutoffs(language.types(), system_clock())
    with _owner(data_dir) as (connection, conninfo):
        found = _sweep(connection, past)
        if found.events and not (dry_run or sure):
            _tell(found, past, as_json=False)
            typer.confirm("Drop them? This cannot be undone.", abort=True)
        if found.events and not dry_run:
            found = _sweep(connection, past, order=_order(ordered_by, reason))
        if not dry_run:  # with nothing to drop too: a run before may have been broken off
            with Ledger.open(conninfo, connections=1) as ledger:
                record_orders(connection, ledger, past, system_clock())
        _tell(found, past, as_json=as_json)
    if found.refused:
        raise typer.Exit(1)


@contextmanager
def _owner(data_dir: Path | None) -> Generator[tuple[Connection[Any], str]]:
    """A connection as the owner, who alone may drop a body; how to reach it to append."""
    import psycopg

    from infra.plumbing.ledger.started import refuse_another_log
    from infra.plumbing.postgres.database import open_database
    from infra.plumbing.postgres.pool import session_conninfo

    settings = settings_of_platform(data_dir)
    with open_database(settings, attach=True, what="rapport retention") as database:
        database.migrate()
        ours = session_conninfo(database.owner_conninfo, "retention")
        with psycopg.connect(ours, autocommit=True) as connection:
            refuse_another_log(connection, settings.checkpoints_path)
            yield connection, session_conninfo(database.conninfo, "retention")


def _order(ordered_by: str, reason: str) -> str:
    """Who and why, as it is kept with what was taken."""
    from infra.plumbing.ledger.platform import machine_user
    from infra.plumbing.ledger.retention import REASON

    who = " ".join(ordered_by.split())[:MOST_WHO_CHARS] or machine_user()
    why = " ".join(reason.split())[:MOST_REASON_CHARS]
    return f"{REASON}, ordered by {who}" + (f": {why}" if why else "")


def _sweep(
    connection: Connection[Any], past: Sequence[Cutoff], *, order: str | None = None
) -> Progress:
    """Go through the log with a bar on standard error; the whole count. With an `order`, drop.

    Raises:
        DatabaseRefused: the user of the database is not its owner.
    """
    import psycopg
    from rich.console import Console
    from rich.progress import Progress as Bar

    from infra.plumbing.errors import DatabaseRefused
    from infra.plumbing.ledger.retention import REASON, Progress, sweep

    done = Progress(0)
    try:
        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("dropping" if order else "counting", total=None)
            for done in sweep(connection, past, drop=bool(order), order=order or REASON):
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
        typer.echo(
            orjson.dumps({"dropped": progress.dropped, "refused": progress.refused, "items": items})
        )
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
    if progress.refused:
        _tell_refused(progress.refused)


def _tell_refused(positions: Sequence[int]) -> None:
    """On standard error: what is wrong, where, and the cure."""
    named = ", ".join(map(str, positions[:MOST_NAMED]))
    more = f" and {len(positions) - MOST_NAMED} more" if len(positions) > MOST_NAMED else ""
    typer.echo(
        f"Not dropped, as the event no longer fits its leaf: {len(positions)} (position "
        f"{named}{more}). It was changed after it was recorded. Find out how, put back what a "
        "backup holds, and run this again.",
        err=True,
    )
