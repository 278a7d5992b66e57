"""`rapport erase`: forget a customer for good, and show the certificate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from rapport.errors import NotDoneYet
from rapport.options import DataDir, Json, Key, Url, client_for

if TYPE_CHECKING:
    from rapport.client import Client

PATH = "/v1/privacy/requests"
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 600.0
"""An erasure takes seconds; it may have to wait for a backup that reads the same tables."""
QUESTION = "Destroy this customer's key and remove their names? This cannot be undone."


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("erase")(erase)


def erase(
    ref: Annotated[str, typer.Argument(help="A customer UUID, or kind:value.")],
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Erase a customer: facts stay, the person goes. Broken off, it goes on by itself."""
    if not sure:
        typer.confirm(QUESTION, abort=True, err=True)
    with client_for(url, key, data_dir) as client:
        told = client.ask(PATH, {"type": "erase", "ref": ref})
        told = _wait(client, told, quiet=as_json)
    if as_json:
        typer.echo(orjson.dumps(told["certificate"]))
        return
    _print(told["certificate"])


def _wait(client: Client, told: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Until the request is done; each store is shown as it is reached."""
    shown = 0
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for store in told["stores"][shown:]:
            if not quiet:
                typer.echo(f"{store['store']:<28}{store['count']:>7}  {store['did']}")
        shown = len(told["stores"])
        if told["status"] == "done":
            return told
        time.sleep(PAUSE_SECONDS)
        told = client.get(f"{PATH}/{told['id']}")
    raise NotDoneYet(
        f"The erasure goes on by itself; {len(told['stores'])} of its steps are done. See the "
        f"program's log for what holds it up, and {PATH}/{told['id']} for how far it is."
    )


def _print(certificate: dict[str, Any]) -> None:
    if "position" in certificate:
        typer.echo(f"position {certificate['position']}")
        typer.echo(f"leaf {certificate['leaf']}")
    typer.echo(f"request {certificate['request']}")
    typer.echo(certificate["kept"])
