"""`rapport explain`: why a customer's health is what it is, line by line."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.console import Console
from rich.table import Table

from rapport.options import DataDir, Json, Key, Url, client_for


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("explain")(explain)


def explain(
    ref: Annotated[str, typer.Argument(help="A customer UUID, or kind:value.")],
    since: Annotated[str | None, typer.Option("--from", help="Explain the change since.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Explain the change until.")] = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Explain a customer's health, or how it changed between two times (RFC 3339)."""
    times = {name: text for name, text in (("from", since), ("to", until)) if text}
    with client_for(url, key, data_dir) as client:
        answer = client.get(f"/v1/customers/{quote(ref, safe='')}/health/explain", times)
    if as_json:
        typer.echo(orjson.dumps(answer))
    elif "split" in answer:
        _print_change(answer)
    else:
        _print_score(answer)


def _print_score(answer: dict[str, Any]) -> None:
    table = Table("points", "group", "when", "because", box=None)
    for line in answer["contributions"]:
        when = (line["occurred_at"] or "")[:10]
        table.add_row(line["points"], line["group"] or "", when, line["sentence"])
    console = Console()
    console.print(table)
    console.print(f"health {answer['value']}", highlight=False)


def _print_change(answer: dict[str, Any]) -> None:
    table = Table("points", "because of", box=None)
    for cause, points in answer["split"].items():
        table.add_row(points, cause)
    console = Console()
    console.print(table)
    console.print(f"{answer['from']} -> {answer['to']}: {answer['change']}", highlight=False)
