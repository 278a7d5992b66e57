"""How an event type and its versions are called. A name is a promise: it is stored for ever."""

from __future__ import annotations

import re
from typing import Final

MAX_TYPE_NAME: Final = 100
_TYPE_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,3}(?:-(?:0|[1-9][0-9]{0,3})){2}")


def is_type_name(text: str) -> bool:
    """Tell whether this can be a type's name: lower-case words with dots, as `complaint.opened`."""
    return len(text) <= MAX_TYPE_NAME and _TYPE_NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Tell whether this is a version: MODEL-REVISION-ADDITION, as `1-0-0`."""
    return _VERSION.fullmatch(text) is not None


def version_order(version: str) -> tuple[int, ...]:
    """Sort key of a version: the newest has the greatest."""
    return tuple(int(part) for part in version.split("-"))
