"""Options that many commands share, and what they lead to.

What takes long to import (settings, the client) is imported where it is needed: `rapport verify`
and `--help` need neither.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

if TYPE_CHECKING:
    from infra.plumbing.settings import Settings
    from rapport.client import Client

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the platform's data. [RAPPORT_DATA_DIR, .rapport]"),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="A running platform. [RAPPORT_URL, else the data folder's]"),
]
Key = Annotated[
    str | None,
    typer.Option("--key", help="A key for it. [RAPPORT_KEY, else the data folder's]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

ENDPOINT_FILE = "endpoint.json"
LOCAL_KEY_FILE = "local-admin.key"


def settings_for(data_dir: Path | None, **given: Any) -> Settings:
    """Settings from the environment; what a command line option gives wins.

    Raises:
        SettingsError: a value cannot be meant.
    """
    from infra.plumbing.settings import load_settings

    chosen = {"data_dir": data_dir, **given}
    return load_settings(**{name: value for name, value in chosen.items() if value is not None})


def settings_of_platform(data_dir: Path | None) -> Settings:
    """The same, for what works on a platform that is there already.

    Raises:
        NoPlatform: there is no such data folder, and no database is named instead.
        SettingsError: a value cannot be meant.
    """
    from rapport.errors import NoPlatform

    settings = settings_for(data_dir)
    if settings.database_url is None and not settings.data_dir.exists():
        raise NoPlatform(f"There is no platform in the folder {settings.data_dir}: check its name.")
    return settings


def endpoint_path(settings: Settings) -> Path:
    """Where a running platform says how to reach it."""
    return settings.data_dir / ENDPOINT_FILE


def local_key_path(settings: Settings) -> Path:
    """The key that lets commands on this machine, with this data folder, in."""
    return settings.data_dir / "secrets" / LOCAL_KEY_FILE


def client_for(url: str | None, key: str | None, data_dir: Path | None) -> Client:
    """A client for the platform named by options, environment or data folder, in that order.

    Raises:
        NotRunning: no platform was named and none runs on the data folder.
    """
    from rapport.client import Client

    settings = settings_for(data_dir)
    url = url or os.environ.get("RAPPORT_URL") or endpoint_of(settings)
    key = key or os.environ.get("RAPPORT_KEY") or _local_key(settings)
    return Client(url, key)


def endpoint_of(settings: Settings) -> str:
    """The URL of the platform that runs on the data folder.

    Raises:
        NotRunning: none does.
    """
    try:
        return orjson.loads(endpoint_path(settings).read_bytes())["url"]
    except FileNotFoundError:
        from rapport.client import NotRunning

        raise NotRunning(
            f"No platform runs on the data folder {settings.data_dir}: start one with "
            "`rapport up`, or name one with --url and --key."
        ) from None


def _local_key(settings: Settings) -> str | None:
    try:
        return local_key_path(settings).read_text().strip()
    except FileNotFoundError:
        return None
