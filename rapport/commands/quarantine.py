"""`rapport quarantine`: what was set aside and is not in the ledger; see it, and try it again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import orjson
import typer

from rapport.options import DataDir, Json, Key, Url, client_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from rapport.client import Client

PATH = "/v1/quarantine"
QUARANTINE = typer.Typer(help="See what was set aside, and try it again.", no_args_is_help=True)
WORDS = {
    "time-ahead": "dated more than 5 minutes ahead; recorded by itself when its time has come",
    "suppressed": "about a person who is not to be recorded; waits for a release or an erasure",
    "event-id-reused": "another event stands in the ledger under its source and id",
    "invalid-event": "not valid by the schemas of now, or about a customer who is no more",
    "key-gone": "names somebody whose key is destroyed or was never kept",
    "fault": "recording it failed by a fault of ours; see the log",
}
"""Why events wait."""


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(QUARANTINE, name="quarantine")


@QUARANTINE.command("list")
def show(
    reason: Annotated[
        str | None, typer.Option(help="Only what waits for this reason, such as time-ahead.")
    ] = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List what waits, in the order in which it came; no content, no customer."""
    if reason is not None and reason not in WORDS:
        raise typer.BadParameter(f"There is no reason {reason!r}: {', '.join(WORDS)}.")
    asked = {"limit": "1000"} | ({} if reason is None else {"reason": reason})
    with client_for(url, key, data_dir) as client:
        items = list(_listed(client, asked))
    if as_json:
        typer.echo(orjson.dumps({"items": items, "next": None}))
        return
    for item in items:
        when = f"happened {item['occurred_at']}  came {item['received_at']}"
        due = f"  due {item['due_at']}" if item["due_at"] else ""
        name = f"{item['source']} {item['event_id']}"
        typer.echo(f"{item['id']:>8}  {item['reason']:<16}{item['type']:<24}{name}  {when}{due}")
    _explain(Counter(item["reason"] for item in items))


@QUARANTINE.command("replay")
def replay(
    number: Annotated[
        int | None, typer.Argument(metavar="ID", help="One event of the list. Without it: all.")
    ] = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run the rules of intake again; what is valid now is recorded, once."""
    with client_for(url, key, data_dir) as client:
        one = None if number is None else client.ask(f"{PATH}/{number}/replay", {})
        items = _replayed(client) if one is None else [one]
    if as_json:
        typer.echo(orjson.dumps({"items": items, "next": None}))
        return
    recorded = [item for item in items if item["status"] == "recorded"]
    waiting = [item for item in items if item["status"] == "waiting"]
    for item in waiting:
        said = " ".join(f"{each['pointer']} {each['message']}" for each in item["errors"])
        name = f"{item['source']} {item['event_id']}"
        typer.echo(f"{item['id']:>8}  {item['reason']:<16}{name}  {said}".rstrip())
    typer.echo(f"{len(recorded)} recorded, {len(waiting)} of those tried still wait.")


def _listed(client: Client, asked: dict[str, str]) -> Generator[dict[str, Any]]:
    page = client.get(PATH, asked)
    yield from page["items"]
    while page["next"] is not None:
        page = client.get(PATH, asked | {"cursor": page["next"]})
        yield from page["items"]


def _replayed(client: Client) -> list[dict[str, Any]]:
    """Everything that may be valid now, page by page, with a bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    items: list[dict[str, Any]] = []
    query = ""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trying", total=None)
        while True:
            page = client.ask(f"{PATH}/replay{query}", {})
            items += page["items"]
            bar.update(task, completed=len(items))
            if page["next"] is None:
                return items
            query = "?" + urlencode({"cursor": page["next"]})


def _explain(reasons: Counter[str]) -> None:
    if not reasons:
        typer.echo("Nothing waits in quarantine.")
    for reason, count in reasons.most_common():
        typer.echo(f"{count} {reason}: {WORDS.get(reason, 'see docs/operator.md')}")
