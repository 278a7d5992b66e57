"""Whom this process met lately: keyed hashes of identifiers to customers and their keys.

It answers only while the vault's number of changes is the one it was learned under. An erasure, a
suppression and a release count that number up in their own transaction (erasure.sql), so whoever
looks at it first is never told of a key that is gone. New names need no count: they move nobody.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.plumbing.vault.seal import Person

GENERATION: Final = 50_000
"""Names kept in each of two generations; the older goes when the younger is full. About 70 MB."""


class Known:
    """The people remembered under one number of changes; any number of threads may ask."""

    __slots__ = ("_older", "_younger", "changes")

    def __init__(self, changes: int) -> None:
        """Know nobody yet."""
        self.changes = changes
        self._younger: dict[bytes, Person] = {}
        self._older: dict[bytes, Person] = {}

    def get(self, lookup: bytes) -> Person | None:
        """The customer of a hashed identifier, if remembered."""
        return self._younger.get(lookup) or self._older.get(lookup)

    def learn(self, people: Mapping[bytes, Person], limit: int) -> None:
        """Remember `people`, and forget those longest ago beyond two times `limit`."""
        if len(self._younger) + len(people) > limit:
            self._older, self._younger = self._younger, {}
        self._younger.update(people)


class Memory:
    """What is known under the newest number of changes seen. Safe for many threads."""

    def __init__(self, generation: int = GENERATION) -> None:
        """Remember up to two times `generation` names."""
        self._limit = generation
        self._lock = Lock()
        self._known = Known(-1)

    def under(self, changes: int) -> Known:
        """Who is known if the vault has taken something back `changes` times by now."""
        with self._lock:
            if changes > self._known.changes:
                self._known = Known(changes)
            # Whoever looked before the last change is told nothing.
            return self._known if changes == self._known.changes else Known(changes)

    def learn(self, changes: int, people: Mapping[bytes, Person]) -> None:
        """Remember what was read after the number was `changes`; nothing if that is past."""
        with self._lock:
            if changes > self._known.changes:
                self._known = Known(changes)
            if changes == self._known.changes:
                self._known.learn(people, self._limit)
