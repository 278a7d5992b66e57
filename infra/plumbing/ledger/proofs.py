"""Proofs out of the running ledger: an event is in it, and it only grew. Never scans the log.

A proof reads a tile or two a level and at most 255 rows at the tree's right edge, plus what the
writer of tiles (infra/plumbing/ledger/tiles.py) has not done yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.plumbing.ledger.merkle import ProofError, consistency_proof, inclusion_proof, root_of
from infra.plumbing.ledger.tiles import SQL, TileReader

if TYPE_CHECKING:
    from infra.plumbing.ledger.tiles import Rows


class Prover:
    """Proves within the first `size` events of the ledger; lives for one answer."""

    def __init__(self, rows: Rows, size: int | None = None) -> None:
        """Read with `rows` (`ledger.recorder.rows`); `size` None means all there is now.

        Raises:
            ProofError: the ledger has fewer than `size` events.
        """
        [(recorded,)] = rows(SQL["recorded"], {})
        self.size: int = recorded if size is None else size
        if not 0 <= self.size <= recorded:
            raise ProofError(f"The ledger has {recorded} events, not {size}.")
        self._reader = TileReader(rows, self.size)

    def root(self) -> bytes:
        """The root of the tree of `size` leaves.

        Raises:
            LedgerGap: leaves are missing.
        """
        return root_of(self.size, self._reader.node)

    def inclusion(self, position: int) -> list[bytes]:
        """The hashes that lead from the leaf at `position` (from 1 on) to the root.

        Raises:
            ProofError: `position` is not within the size.
            LedgerGap: leaves are missing.
        """
        if not 0 < position <= self.size:
            raise ProofError(f"The first {self.size} events have no position {position}.")
        return inclusion_proof(position - 1, self.size, self._reader.node)

    def consistency(self, old: int) -> list[bytes]:
        """The hashes that show the tree to begin with the tree of the first `old` events.

        Raises:
            ProofError: `old` is larger than the size.
            LedgerGap: leaves are missing.
        """
        return consistency_proof(old, self.size, self._reader.node)
