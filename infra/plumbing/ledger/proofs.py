"""Proofs out of the running ledger: an event is in it, and it only grew. Seldom scans the log.

A proof reads a tile or two a level and at most 255 rows at the tree's right edge, plus what the
writer of tiles (infra/plumbing/ledger/tiles.py) has not done yet. It is checked before it is given
away: it must lead to the root of the head row. Where it does not, a stored tile is wrong; then it
is made from the leaves, which reads the whole log, and an error is logged until the owner has the
tiles written anew (`rapport rebuild-tiles`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import structlog

from infra.plumbing.ledger.errors import LedgerChanged
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.merkle import (
    ProofError,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from infra.plumbing.ledger.tiles import SQL, TileReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.plumbing.ledger.merkle import Node
    from infra.plumbing.ledger.tiles import Rows

_LOG = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


class Prover:
    """Proves within the first `size` events of the ledger; lives for one answer."""

    def __init__(self, rows: Rows, size: int | None = None) -> None:
        """Read with `rows` (`ledger.recorder.rows`); `size` None means all there is now.

        Raises:
            ProofError: the ledger has fewer than `size` events.
        """
        [(recorded, edge)] = rows(SQL["edge"], {})
        self.size: int = recorded if size is None else size
        if not 0 <= self.size <= recorded:
            raise ProofError(f"The ledger has {recorded} events, not {size}.")
        self._rows = rows
        self._head = Frontier(recorded, bytes(edge))
        self._stored = True
        self._reader = TileReader(rows, recorded)

    def root(self) -> bytes:
        """The root of the tree of `size` leaves, which the head's tree begins with.

        Raises:
            LedgerGap: leaves are missing.
            LedgerChanged: leaves or head were changed.
        """
        return self._root

    def inclusion(self, position: int) -> list[bytes]:
        """The hashes that lead from the leaf at `position` (from 1 on) to the root.

        Raises:
            ProofError: `position` is not within the size.
            LedgerGap: leaves are missing.
            LedgerChanged: leaves or head were changed.
        """
        if not 0 < position <= self.size:
            raise ProofError(f"The first {self.size} events have no position {position}.")
        index, size, root = position - 1, self.size, self._root
        return self._checked(
            lambda node: inclusion_proof(index, size, node),
            lambda proof, node: verify_inclusion(node(0, index), index, size, proof, root),
        )

    def consistency(self, old: int) -> list[bytes]:
        """The hashes that show the tree to begin with the tree of the first `old` events.

        Raises:
            ProofError: `old` is larger than the size.
            LedgerGap: leaves are missing.
            LedgerChanged: leaves or head were changed.
        """
        size, root = self.size, self._root
        return self._checked(
            lambda node: consistency_proof(old, size, node),
            lambda proof, node: verify_consistency(old, size, root_of(old, node), root, proof),
        )

    @cached_property
    def _root(self) -> bytes:
        size, whole, root = self.size, self._head.size, self._head.root()
        if size == whole:
            return root
        return self._checked(
            lambda node: root_of(size, node),
            lambda found, node: verify_consistency(
                size, whole, found, root, consistency_proof(size, whole, node)
            ),
        )

    def _checked(
        self, make: Callable[[Node], Answer], holds: Callable[[Answer, Node], bool]
    ) -> Answer:
        answer = make(self._reader.node)
        if holds(answer, self._reader.node):
            return answer
        if self._stored:
            self._stored = False
            self._reader = TileReader(self._rows, self._head.size, stored=False)
            answer = make(self._reader.node)
            if holds(answer, self._reader.node):
                _LOG.error("stored_tile_wrong", number=self.size)
                return answer
        raise LedgerChanged(self._head.size)
