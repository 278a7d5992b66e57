"""The text formats of our own that a schema can ask for: how each is read, and whether it is one.

A reader raises a LanguageError that says what is wrong without repeating the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from events.errors import LanguageError
from events.identifiers import parse_identifier
from events.periods import period_words
from events.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[object], object]

READERS: Final[Mapping[str, Reader]] = {
    "date-time": parse_time,
    "identifier": parse_identifier,
    "period": period_words,
}


def _holds(read: Reader) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            read(text)
        except LanguageError:
            return False
        return True

    return holds


CHECKS: Final = {name: _holds(read) for name, read in READERS.items()}
