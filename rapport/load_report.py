"""Show a load on a terminal: a progress bar, and a line for each event that was refused.

Prints places, pointers and cures; never anything out of an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from rich.console import Console

    from rapport.load import Refused, Tally

REFUSALS_SHOWN: Final = 20


class ConsoleReport:
    """A `rapport.load.Report` on a rich console; use it in a `with` around the load."""

    def __init__(self, console: Console, title: str) -> None:
        """Prepare; `title` stands before the bar."""
        self._console = console
        self._refusals = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task(escape(title), total=None)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is, and say how many refusals were not shown."""
        self._bar.stop()
        if self._refusals > REFUSALS_SHOWN:
            hidden = self._refusals - REFUSALS_SHOWN
            self._console.print(f"and {hidden:,} more that were not stored", highlight=False)

    def progress(self, tally: Tally, total: int | None) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=tally.done, total=total)

    def refused(self, item: Refused) -> None:
        """Print one refusal with its pointers and cures; after 20 only count."""
        self._refusals += 1
        if self._refusals > REFUSALS_SHOWN:
            return
        for line in refusal_lines(item):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def refusal_lines(item: Refused) -> list[str]:
    """A refused event in words: `line 3: rejected`, then a line for each thing wrong."""
    lines = [f"{item.where}: {item.status}"]
    for problem in item.problems:
        words = (problem.pointer, problem.message, problem.cure)
        lines.append("    " + " ".join(word for word in words if word))
    return lines


def summary(tally: Tally) -> str:
    """The tally in one line: `44,876 stored, 0 already there`, and what was not stored, if any."""
    parts = [f"{tally.stored:,} stored", f"{tally.duplicate:,} already there"]
    for count, words in (
        (tally.rejected, "rejected"),
        (tally.conflict, "in conflict with an event of the same source and id"),
        (tally.quarantined, "in quarantine"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    return ", ".join(parts)
