"""Proofs against published vectors, and against a tree built naively from its definition."""

from __future__ import annotations

from base64 import b64decode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.merkle import (
    EMPTY_ROOT,
    ProofError,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

VECTORS: dict[str, dict[str, Any]] = orjson.loads(
    (Path(__file__).parent / "rfc6962_vectors.json").read_bytes()
)["vectors"]
LARGEST = 2000
SIZES = st.integers(1, LARGEST)


def leaf(index: int) -> bytes:
    return sha256(b"\x00" + index.to_bytes(4, "big")).digest()


@cache
def naive_root(start: int, end: int) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    count = end - start
    if count == 0:
        return sha256(b"").digest()
    if count == 1:
        return leaf(start)
    split = 1
    while split * 2 < count:
        split *= 2
    left, right = naive_root(start, start + split), naive_root(start + split, end)
    return sha256(b"\x01" + left + right).digest()


def node(level: int, index: int) -> bytes:
    return naive_root(index << level, (index + 1) << level)


def frontier_root(size: int) -> bytes:
    edge = Frontier()
    edge.extend([leaf(index) for index in range(size)])
    return edge.root()


def flips(proof: list[bytes]) -> Iterable[list[bytes]]:
    """The proof with each of its bits flipped."""
    for number, each in enumerate(proof):
        for bit in range(256):
            flipped = (int.from_bytes(each, "big") ^ (1 << bit)).to_bytes(32, "big")
            yield [*proof[:number], flipped, *proof[number + 1 :]]


def test_all_published_vectors_are_here() -> None:
    assert len(VECTORS) == 196


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_vector_is_judged_as_published(name: str) -> None:
    case = VECTORS[name]
    written: list[str] = case["proof"] or []
    proof = [b64decode(each) for each in written]
    if "size1" in case:
        roots = b64decode(case["root1"]), b64decode(case["root2"])
        judged = verify_consistency(case["size1"], case["size2"], *roots, proof)
    else:
        leaf_hash, root = b64decode(case["leafHash"]), b64decode(case["root"])
        judged = verify_inclusion(leaf_hash, case["leafIdx"], case["treeSize"], proof, root)
    assert judged is not case["wantErr"]


def test_roots_are_those_of_the_definition_up_to_300() -> None:
    assert all(root_of(size, node) == naive_root(0, size) for size in range(301))
    assert root_of(0, node) == EMPTY_ROOT


def test_every_leaf_of_every_small_tree_is_proved() -> None:
    for size in range(1, 130):
        root = naive_root(0, size)
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            assert verify_inclusion(leaf(index), index, size, proof, root)


def test_every_growth_of_every_small_tree_is_proved() -> None:
    for new in range(130):
        for old in range(new + 1):
            proof = consistency_proof(old, new, node)
            assert verify_consistency(old, new, naive_root(0, old), naive_root(0, new), proof)


@given(st.data())
def test_any_leaf_of_any_tree_is_proved_and_no_other_leaf_place_or_size(
    data: st.DataObject,
) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, LARGEST).filter(lambda place: place != index))
    root = naive_root(0, size)
    proof = inclusion_proof(index, size, node)
    assert frontier_root(size) == root
    assert verify_inclusion(leaf(index), index, size, proof, root)
    assert not verify_inclusion(leaf(other), index, size, proof, root)
    assert not verify_inclusion(leaf(index), other, size, proof, root)
    assert not verify_inclusion(leaf(index), index, size, proof, naive_root(0, size + 1))
    assert not verify_inclusion(leaf(index), index, size, proof[:-1], root) or size == 1
    assert not verify_inclusion(leaf(index), index, size, [*proof, root], root)


@given(st.data())
def test_any_growth_is_proved_and_no_other(data: st.DataObject) -> None:
    new = data.draw(SIZES)
    old = data.draw(st.integers(1, new))
    roots = naive_root(0, old), naive_root(0, new)
    proof = consistency_proof(old, new, node)
    assert verify_consistency(old, new, *roots, proof)
    assert not verify_consistency(old, new, roots[0], naive_root(0, new + 1), proof)
    assert not verify_consistency(old, new, naive_root(0, old + 1), roots[1], proof)
    assert not verify_consistency(old, new, *roots, [*proof, roots[1]])
    if proof:
        assert not verify_consistency(old, new, *roots, proof[:-1])
        assert not verify_consistency(old, new, *roots, proof[1:])


@pytest.mark.parametrize(("index", "size"), [(0, 2), (6, 7), (3, 8), (1023, 1500), (1999, 2000)])
def test_no_single_flipped_bit_of_an_inclusion_proof_passes(index: int, size: int) -> None:
    proof = inclusion_proof(index, size, node)
    root = naive_root(0, size)
    assert not any(
        verify_inclusion(leaf(index), index, size, flipped, root) for flipped in flips(proof)
    )
    assert not any(
        verify_inclusion(flipped[0], index, size, proof, flipped[1])
        for flipped in flips([leaf(index), root])
    )


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 7), (6, 8), (1024, 1500), (1999, 2000)])
def test_no_single_flipped_bit_of_a_consistency_proof_passes(old: int, new: int) -> None:
    proof = consistency_proof(old, new, node)
    roots = naive_root(0, old), naive_root(0, new)
    assert not any(verify_consistency(old, new, *roots, flipped) for flipped in flips(proof))
    assert not any(
        verify_consistency(old, new, first, second, proof) for first, second in flips([*roots])
    )


def test_bytes_moved_across_the_seam_of_two_hashes_do_not_pass() -> None:
    proof, root = inclusion_proof(0, 2, node), naive_root(0, 2)
    joined = leaf(0) + proof[0]
    assert not verify_inclusion(joined[:31], 0, 2, [joined[31:]], root)


def test_a_tree_that_forgot_its_last_leaf_has_no_proof() -> None:
    grown = consistency_proof(7, 9, node)
    forked = naive_root(1, 8)
    assert not verify_consistency(7, 9, forked, naive_root(0, 9), grown)


def test_the_empty_tree_begins_every_tree_and_no_other_root_does() -> None:
    assert consistency_proof(0, 5, node) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, naive_root(0, 5), [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 5, leaf(0), naive_root(0, 5), [])
    assert not verify_consistency(0, 0, leaf(0), leaf(0), [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="has no leaf"):
        inclusion_proof(index, size, node)
    assert not verify_inclusion(leaf(0), index, size, [], leaf(0))


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3)])
def test_a_tree_does_not_grow_out_of_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ProofError, match="does not grow"):
        consistency_proof(old, new, node)
    assert not verify_consistency(old, new, leaf(0), leaf(0), [])


@given(SIZES, st.data())
def test_a_prover_asks_for_few_subtrees_and_only_full_ones(size: int, data: st.DataObject) -> None:
    asked: list[tuple[int, int]] = []

    def watched(level: int, index: int) -> bytes:
        asked.append((level, index))
        assert (index + 1) << level <= size
        return node(level, index)

    inclusion_proof(data.draw(st.integers(0, size - 1)), size, watched)
    consistency_proof(data.draw(st.integers(0, size)), size, watched)
    assert len(asked) <= 4 * size.bit_length()
