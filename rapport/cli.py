"""The program `rapport`: finds the commands, turns known failures into one plain sentence."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

AT_ONCE: Final = ("verify",)
"""Commands whose file offers `at_once(words)`: a plain line is done without importing `typer`."""
DATABASE_LOST: Final = (
    "The database stopped answering while the command was at work. See that its server runs "
    "(RAPPORT_DATABASE_URL names it, if it is not our own), then run the command again."
)
"""Lost on the way; one that cannot be reached at all is told by `DatabaseUnreachable`."""


def known_failures() -> tuple[type[Exception], ...]:
    """What a reader can cure. Anything else is a bug and keeps its traceback."""
    from events.errors import LanguageError
    from infra.plumbing.access import AccessError
    from infra.plumbing.errors import HouseError
    from infra.plumbing.vault.master import VaultError
    from rapport.errors import ProgramError

    return HouseError, VaultError, LanguageError, AccessError, ProgramError


def build() -> typer.Typer:
    """The program with every command found in `rapport/commands/`."""
    from pkgutil import iter_modules

    import typer

    import rapport.commands

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
    """Run the program; leave with 1 and a sentence on standard error for a known failure.

    A database lost on the way is one, whichever statement was the first to meet it.
    """
    try:
        _run(sys.argv[1:])
    except BrokenPipeError:  # `rapport ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as failure:
        if isinstance(failure, known_failures()):
            sys.exit(f"rapport: {failure}")
        if _database_is_away(failure):
            sys.exit(f"rapport: {DATABASE_LOST}")
        raise


def _run(words: Sequence[str]) -> None:
    if words and words[0] in AT_ONCE:
        try:
            code: int | None = import_module(f"rapport.commands.{words[0]}").at_once(words[1:])
        except KeyboardInterrupt:
            code = 130  # as `typer` leaves
        if code is not None:
            sys.exit(code)
    build()()


def _database_is_away(failure: Exception) -> bool:
    from infra.plumbing.away import AWAY

    return isinstance(failure, AWAY)
