"""SQL stands in `.sql` files beside its reader, in blocks that begin with `-- name: something`."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(rb"^-- name: ([a-z_0-9]+)\s*$", re.MULTILINE)


class UnknownQuery(LookupError):
    """No block of that name stands in the file."""


class Queries:
    """The named blocks of one `.sql` file, as bytes (psycopg takes bytes, never a built string)."""

    def __init__(self, blocks: Mapping[str, bytes], origin: str) -> None:
        """Hold `blocks` read from `origin`."""
        self._blocks = blocks
        self._origin = origin

    @classmethod
    def beside(cls, package: str, name: str) -> Queries:
        """Read `name` in the folder of `package` (a dotted name).

        Raises:
            ValueError: a name stands twice, or the file has no block.
        """
        parts = _NAME.split((files(package) / name).read_bytes())
        names = [part.decode() for part in parts[1::2]]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{package}/{name}: every block needs a '-- name:' of its own.")
        return cls(dict(zip(names, (text.strip() for text in parts[2::2]), strict=True)), name)

    def __getitem__(self, name: str) -> bytes:
        """The block called `name`.

        Raises:
            UnknownQuery: there is none.
        """
        try:
            return self._blocks[name]
        except KeyError:
            raise UnknownQuery(f"{self._origin} has no block '-- name: {name}'.") from None
