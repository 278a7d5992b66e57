"""Command lines that can be read without a library: words, options with a value, flags.

For a command that is done sooner than `typer` is imported. Whatever is not plain (a call for help,
a mistake, `--name=value`, an option given twice) is left to `typer`, which says what it always did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Plain:
    """What may stand in a line: places in order, all of them needed; options and flags by name."""

    places: Sequence[str]
    options: Mapping[str, str]
    flags: Mapping[str, str]

    def read(self, words: Sequence[str]) -> dict[str, str] | None:
        """What each parameter is given (a flag: its own word); None if the line is not plain."""
        found: dict[str, str] = {}
        places, left = iter(self.places), iter(words)
        for word in left:
            if word in self.flags:
                name, value, plain = self.flags[word], word, True
            else:
                name = self.options.get(word) or next(places, "")
                value = next(left, "") if word in self.options else word
                plain = value.isprintable() and not value.startswith("-")
            if not (plain and name and value) or name in found:
                return None
            found[name] = value
        return found if found.keys() >= set(self.places) else None
