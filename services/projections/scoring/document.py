"""A YAML document read strictly: every field known, every number in its range, words for errors.

Nothing is guessed: an unknown field, a field twice, a text where a number belongs, each raises
`PolicyRefused` with the path and the cure. Only `true` and `false` are booleans and only plain
decimals are numbers (YAML would read the field name `on` as true, and 1:30 as 90).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

import yaml

from services.projections.scoring.errors import PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Read = TypeVar("Read")

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_ENTRIES = 500
NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "": None}


class _Reader:
    """Plain values from YAML nodes."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        """The value of a node; refuses an alias: a small text must not stand for a big one."""
        if id(node) in self._seen:
            raise PolicyRefused("", "uses an alias (*)", "Write the value out where it is used.")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(cast("list[tuple[yaml.Node, yaml.Node]]", node.value))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in cast("list[yaml.Node]", node.value)]
        return _scalar(
            str(node.value), plain=cast("str | None", getattr(node, "style", "")) is None
        )

    def _mapping(self, pairs: list[tuple[yaml.Node, yaml.Node]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in pairs:
            key = str(self.value(key_node))
            if key in found:
                raise PolicyRefused(key, "is written twice", "Keep one of the two.")
            found[key] = self.value(value_node)
        return found


def _scalar(text: str, *, plain: bool) -> str | float | bool | None:
    """What a word stands for. Quoted words are text."""
    if plain and text in WORDS:
        return WORDS[text]
    return float(text) if plain and NUMBER.fullmatch(text) else text


class Section:
    """One mapping of the document, read field by field; `done` refuses what nobody read."""

    def __init__(self, path: str, value: object) -> None:
        """Take the mapping at `path`."""
        if not isinstance(value, dict):
            raise PolicyRefused(path, "is not a mapping", "Write fields below it, one a line.")
        self.path = path
        self._fields = cast("Mapping[str, Any]", value)
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """The path of a field of this section."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """True if the document has the field."""
        return name in self._fields

    def take(self, name: str) -> Any:
        """The raw value of a required field."""
        self._read.add(name)
        if name not in self._fields:
            raise PolicyRefused(self.at(name), "is missing", "Add it.")
        return self._fields[name]

    def number(self, name: str, least: float, most: float) -> float:
        """A required number between two bounds, both allowed."""
        value = self.take(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise PolicyRefused(self.at(name), "is not a number", "Write a plain number.")
        if not least <= value <= most:
            raise PolicyRefused(
                self.at(name), f"is {value:g}", f"Write a number from {least:g} to {most:g}."
            )
        return float(value)

    def whole(self, name: str, least: int, most: int) -> int:
        """A required whole number between two bounds."""
        value = self.number(name, least, most)
        if value != int(value):
            raise PolicyRefused(self.at(name), f"is {value:g}", "Write a whole number.")
        return int(value)

    def text(self, name: str) -> str:
        """A required text that is not empty."""
        value = self.take(name)
        if not isinstance(value, str) or not value.strip():
            raise PolicyRefused(self.at(name), "is not a text", "Write a word or a sentence.")
        return value

    def choice(self, name: str, allowed: frozenset[str]) -> str:
        """A required text that is one of those allowed."""
        value = self.text(name)
        if value not in allowed:
            raise PolicyRefused(
                self.at(name), f"is {value!r}", f"Write one of: {', '.join(sorted(allowed))}."
            )
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A required list of texts, at least one."""
        value = self.take(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        if not items or not all(isinstance(item, str) and item for item in items):
            raise PolicyRefused(self.at(name), "is not a list of names", "Write [one, two].")
        return tuple(str(item) for item in items)

    def section(self, name: str) -> Section:
        """A required mapping below this one."""
        return Section(self.at(name), self.take(name))

    def named(self, name: str, read: Callable[[str, Section], Read]) -> dict[str, Read]:
        """A required mapping of names to sections, at least one."""
        parts = self.section(name)
        found = {part: read(part, parts.section(part)) for part in parts.names()}
        parts.done()
        return found

    def numbers(self, name: str, least: float, most: float) -> dict[str, float]:
        """A required mapping of names to numbers, at least one."""
        parts = self.section(name)
        found = {part: parts.number(part, least, most) for part in parts.names()}
        parts.done()
        return found

    def each(self, name: str, read: Callable[[Section], Read]) -> tuple[Read, ...]:
        """A required list of sections; it may be empty."""
        value = self.take(name)
        if not isinstance(value, list) or len(cast("list[object]", value)) > MOST_ENTRIES:
            raise PolicyRefused(
                self.at(name), "is not a list", f"Write up to {MOST_ENTRIES} entries, each with -."
            )
        found: list[Read] = []
        for index, item in enumerate(cast("list[object]", value)):
            entry = Section(f"{self.at(name)}[{index}]", item)
            found.append(read(entry))
            entry.done()
        return tuple(found)

    def names(self) -> tuple[str, ...]:
        """The field names, each a plain lower-case word; refuses none at all."""
        if not self._fields:
            raise PolicyRefused(self.path, "is empty", "Write at least one entry.")
        for name in self._fields:
            if not NAME.fullmatch(name):
                raise PolicyRefused(
                    self.at(name), "is not a plain name", "Use a-z, 0-9 and _, a letter first."
                )
        return tuple(self._fields)

    def done(self) -> None:
        """Refuse fields that nobody read."""
        for name in self._fields:
            if name not in self._read:
                raise PolicyRefused(self.at(name), "is not known", "Remove it or correct its name.")


def read_document(text: str | bytes) -> Section:
    """The document in `text`.

    Raises:
        PolicyRefused: it is no YAML, or not a mapping.
    """
    try:
        composed = cast("object", yaml.compose(text, yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] - untyped
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if isinstance(mark, yaml.Mark) else ""
        raise PolicyRefused("", f"is no YAML{place}", "Correct the indentation there.") from error
    return Section("", _Reader().value(composed) if isinstance(composed, yaml.Node) else None)
