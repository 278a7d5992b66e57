"""Proofs over an RFC 6962 tree: an entry is in it, a larger tree only added to a smaller one.

Pure. The provers read hashes of perfect subtrees through `node(level, index)`: the root of the
2**level leaves that begin at leaf index * 2**level, so level 0 is the leaves. They ask only for
subtrees that are full at the stated size, at most two for each bit of that size, and never scan.
A leaf's index is its ledger position - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from infra.plumbing.ledger.format import node_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

Node = Callable[[int, int], bytes]
"""Reads the hash of one perfect subtree, by level and index within the level."""
HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962, section 2.1)."""


class ProofError(ValueError):
    """No such proof exists: the leaf or the smaller tree is not within the tree."""


def root_of(size: int, node: Node) -> bytes:
    """The root of the tree of the first `size` leaves.

    Raises:
        ProofError: `size` is negative.
    """
    if size < 0:
        raise ProofError(f"A tree has no {size} leaves.")
    return _root(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves.

    The leaf's neighbour comes first: `PATH(m, D[n])` of RFC 9162, section 2.1.3.1.

    Raises:
        ProofError: the tree of `size` leaves has no leaf `index`.
    """
    if not 0 <= index < size:
        raise ProofError(f"A tree of {size} leaves has no leaf {index}.")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root(middle, end, node))
            end = middle
        else:
            path.append(_root(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """The hashes that show the first `new` leaves to begin with the first `old`.

    `PROOF(m, D[n])` of RFC 9162, section 2.1.4.1; empty for equal sizes, and for `old` = 0, since
    every tree begins with nothing.

    Raises:
        ProofError: `old` is negative or larger than `new`.
    """
    if not 0 <= old <= new:
        raise ProofError(f"A tree of {new} leaves does not grow out of one of {old}.")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_root(middle, end, node))
            end = middle
        else:
            path.append(_root(start, middle, node))
            start = middle
    if start:  # the verifier knows the old root, so it is named only where it is a part
        path.append(_root(start, end, node))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """True if `proof` leads from `leaf` at `index` to `root` of a tree of `size` leaves.

    RFC 9162, section 2.1.3.2. Anything that cannot be a proof answers False.
    """
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    here, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if here & 1 or here == last:
            found = node_hash(sibling, found)
            here, last = _above_left_siblings(here, last)
        else:
            found = node_hash(found, sibling)
        here, last = here >> 1, last >> 1
    return not last and found == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """True if `proof` shows the tree of `new` leaves to begin with the tree of `old` leaves.

    RFC 9162, section 2.1.4.2. For `old` = 0 the old root must be that of the empty tree and the
    proof empty: every tree begins with nothing. Anything that cannot be a proof answers False.
    """
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)
    if old == 0 or not _are_hashes(old_root, new_root, *proof):
        return not proof and old_root == EMPTY_ROOT and len(new_root) == HASH_BYTES
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not path:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    found_old = found_new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if here & 1 or here == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            here, last = _above_left_siblings(here, last)
        else:
            found_new = node_hash(found_new, sibling)
        here, last = here >> 1, last >> 1
    return not last and found_old == old_root and found_new == new_root


def _above_left_siblings(here: int, last: int) -> tuple[int, int]:
    """Climb the right edge past the levels on which this node has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _are_hashes(*values: bytes) -> bool:
    """Only whole hashes: bytes moved across the seam of two would hash the same."""
    return all(len(value) == HASH_BYTES for value in values)


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (at least 2): the left subtree's leaves."""
    return 1 << (count - 1).bit_length() - 1


def _root(start: int, end: int, node: Node) -> bytes:
    """The root over leaves `start` to before `end`.

    `start` is a multiple of a power of two that is at least their number, as every split gives.
    """
    peaks: list[bytes] = []
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        peaks.append(node(level, at >> level))
        at += 1 << level
    root = peaks.pop()
    while peaks:
        root = node_hash(peaks.pop(), root)
    return root
