"""`rapport explain`: why a customer's health is what it is, line by line."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from rapport.options import DataDir, Json, Key, Url, client_for


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("explain")(explain)


def explain(
    ref: Annotated[str, typer.Argument(help="A customer UUID, or kind:value.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="Explain the score then.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Explain the change since.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Explain the change until.")] = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Explain a customer's health, or how it changed between two times (RFC 3339)."""
    given = {"as_of": as_of, "from": since, "to": until}
    times = {name: text for name, text in given.items() if text}
    with client_for(url, key, data_dir) as client:
        answer = client.get(f"/v1/customers/{quote(ref, safe='')}/health/explain", times)
    if as_json:
        typer.echo(orjson.dumps(answer))
    elif "split" in answer:
        _print_change(answer)
    else:
        _print_score(answer)


def _print_score(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("points", "group", "when", "because", box=None)
    for line in answer["contributions"]:
        when = (line["occurred_at"] or "")[:10]
        made_up = " (simulated)" if line["simulated"] else ""
        table.add_row(line["points"], line["group"] or "", when, escape(line["sentence"] + made_up))
    console = Console()
    console.print(table)
    known = f"status {answer['status']}, coverage {answer['coverage']:.0%}"
    console.print(f"health {_shown(answer)} as of {answer['as_of']} ({known})", highlight=False)


def _print_change(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("points", "because of", box=None)
    split: dict[str, str] = answer["split"] or {}
    for cause, points in split.items():
        table.add_row(points, cause)
    console = Console()
    console.print(table)
    start, end = answer["from"], answer["to"]
    console.print(
        f"health {_shown(start)} on {start['as_of']} -> {_shown(end)} on {end['as_of']}: "
        f"{answer['change'] or 'unknown'}",
        highlight=False,
    )


def _shown(score: dict[str, Any]) -> str:
    return "unknown" if score["value"] is None else str(score["value"])
