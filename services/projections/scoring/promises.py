"""The promises we make to a customer: the names of their facts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from events.facts import Fact

MADE = "promise.made"
KEPT = "promise.kept"
BROKEN = "promise.broken"
RENEGOTIATED = "promise.renegotiated"
TYPES = frozenset({MADE, KEPT, BROKEN, RENEGOTIATED})


def promise_id(fact: Fact) -> str:
    """The promise a fact is about; empty if it names none."""
    key = fact.data.get("promise_id")
    return key if isinstance(key, str) else ""
