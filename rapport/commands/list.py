"""`rapport list`: what discovery found in the folders. Needs no running platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from rapport.options import DataDir, Json, settings_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.plumbing.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("list")(show)


def _schemas(settings: Settings) -> Mapping[str, str]:
    from events.catalog import Catalog, catalog

    known = catalog() if settings.schemas_dir is None else Catalog.load(settings.schemas_dir)
    return {f"{kind.type} {kind.version}": kind.title for kind in known.types()}


def _read_models(_: Settings) -> Mapping[str, str]:
    from services.projections.discovery import find_read_models

    return {found.model.name: f"version {found.model.version}" for found in find_read_models()}


def _rules(_: Settings) -> Mapping[str, str]:
    from services.notifier.discovery import discover_rules

    return {rule.name: rule.sentence for rule in discover_rules()}


LISTS = {"schemas": _schemas, "read-models": _read_models, "rules": _rules}


def show(
    what: Annotated[str, typer.Argument(metavar="|".join(LISTS))],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the event schemas, the read models or the notification rules."""
    if what not in LISTS:
        raise typer.BadParameter(f"There is no list of {what!r}: {', '.join(LISTS)}.")
    rows = LISTS[what](settings_for(data_dir))
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    width = max(map(len, rows), default=0)
    for name, words in rows.items():
        typer.echo(f"{name:<{width}}  {words}".rstrip())
