"""The program `rapport`: finds the commands, turns known failures into one plain sentence."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import typer

import rapport.commands
from events.errors import LanguageError
from infra.plumbing.access import AccessError
from infra.plumbing.errors import HouseError
from infra.plumbing.vault.master import VaultError
from rapport.errors import ProgramError

KNOWN_FAILURES: Final = (HouseError, VaultError, LanguageError, AccessError, ProgramError)
"""What a reader can cure. Anything else is a bug and keeps its traceback."""


def build() -> typer.Typer:
    """The program with every command found in `rapport/commands/`."""
    app = typer.Typer(
        name="rapport",
        help="An event-sourced customer relationship platform over an append-only ledger.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for module in sorted(iter_modules(rapport.commands.__path__), key=lambda each: each.name):
        import_module(f"rapport.commands.{module.name}").add_to(app)
    return app


def main() -> None:
    """Run the program; leave with 1 and a sentence on standard error for a known failure."""
    try:
        build()()
    except KNOWN_FAILURES as failure:
        sys.exit(f"rapport: {failure}")
    except BrokenPipeError:  # `rapport ... | head`
        sys.exit(1)
