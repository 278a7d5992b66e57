"""The earlier checkpoints in an export narrow a fault to between two of them, and are checked too.

The crime that they are there for: whoever holds the signing key takes events out, numbers the lines
anew, makes the tree anew and signs it. Both verifiers judge each export and must agree.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from infra.plumbing.ledger.chain import MOST_BYTES
from infra.plumbing.ledger.checkpoint import Checkpoint, sign_checkpoint
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.note import sign_note
from tests.infra.ledger.forge import (
    KEY,
    ORIGIN,
    SEED,
    THIEVES_SEED,
    Item,
    checkpoint_of,
    history,
    packaged,
    record_of,
    relinked,
    standing_alone,
    verdict,
    verdict_in_words,
    write_export,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HONEST = history(30)
CUSTOMER = UUID(int=2)
SIZES = (5, 10, 15, 20, 25)
NAME = "checkpoints"


def chain_of(
    items: Sequence[Item], sizes: Sequence[int] = SIZES, seed: bytes = SEED
) -> list[bytes]:
    return [checkpoint_of(items[:size], seed) for size in sizes]


CHAIN = chain_of(HONEST)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "public-key"
    path.write_text(f"{KEY}\n")
    return path


def without_customer_behind(position: int) -> list[Item]:
    left = [item for item in HONEST[position:] if item.header.stream != CUSTOMER]
    return relinked([*HONEST[:position], *left])


def test_an_export_with_its_earlier_checkpoints_passes(tmp_path: Path, key: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST, chain=CHAIN)
    assert verdict(folder) == "PASS"
    assert verdict(folder, key=key) == "PASS"
    assert verdict(folder, key=key, kept=folder / "checkpoint") == "PASS"


def test_an_export_without_them_passes_as_before(tmp_path: Path, key: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    assert not (folder / NAME).exists()
    assert verdict(folder, key=key) == "PASS"


@pytest.mark.parametrize(("behind", "where"), [(0, "1 to 5"), (12, "11 to 15"), (20, "21 to 25")])
def test_events_taken_out_and_signed_anew_with_the_true_key_are_found_between_two_checkpoints(
    tmp_path: Path, key: Path, behind: int, where: str
) -> None:
    forged = without_customer_behind(behind)
    folder = write_export(tmp_path / "x", forged, checkpoint_of(forged))
    assert verdict(folder, key=key) == "PASS", "nobody can tell without the earlier checkpoints"
    chain = chain_of(HONEST, [size for size in SIZES if size < len(forged)])
    folder = write_export(tmp_path / "y", forged, checkpoint_of(forged), chain)
    assert verdict(folder, key=key) == f"positions {where}"


def test_a_deletion_numbered_anew_is_narrowed_and_counted(tmp_path: Path, key: Path) -> None:
    left = without_customer_behind(12)
    folder = write_export(tmp_path / "x", left, checkpoint_of(HONEST), CHAIN)
    where, why = verdict_in_words(folder, key=key)
    assert where == "positions 11 to 15"
    assert why.endswith("; 5 of 30 signed events are gone")


def test_a_change_at_the_end_is_narrowed_to_behind_the_last_of_them(tmp_path: Path) -> None:
    changed = relinked([*HONEST[:27], replace(HONEST[27], body=b"{}"), *HONEST[28:]])
    folder = write_export(tmp_path / "x", changed, checkpoint_of(HONEST), CHAIN)
    assert verdict(folder) == "positions 26 to 30"


def test_each_of_them_must_be_signed(tmp_path: Path, key: Path) -> None:
    for number, size in enumerate(SIZES):
        chain = [*CHAIN]
        chain[number] = checkpoint_of(HONEST[:size], THIEVES_SEED)
        folder = write_export(tmp_path / str(size), HONEST, chain=chain)
        assert verdict(folder) == "PASS"
        assert verdict(folder, key=key) == NAME


@pytest.mark.parametrize(
    "chain",
    [
        [CHAIN[1], CHAIN[0]],
        [CHAIN[0], CHAIN[0]],
        [*CHAIN, checkpoint_of(HONEST)],
        [*CHAIN, checkpoint_of(history(31))],
        [checkpoint_of(HONEST[:5], origin=f"rapport/{UUID(int=3)}")],
        [CHAIN[0], b"\n", CHAIN[1]],
        [CHAIN[0], CHAIN[1][:-1]],
        [CHAIN[0], b"x"],
        [sign_note(CHAIN[0].decode().partition("\n\n")[0] + "\nmore\n", SEED, ["x"]).encode()],
        [record_of(HONEST, HONEST[:5], HONEST[:6])],
        [b"\n\n\n\n\n"],
    ],
)
def test_what_is_no_chain_of_earlier_checkpoints_is_named(
    tmp_path: Path, key: Path, chain: list[bytes]
) -> None:
    folder = write_export(tmp_path / "x", HONEST, chain=chain)
    assert verdict(folder) == NAME
    assert verdict(folder, key=key) == NAME


def test_more_bytes_than_a_chain_may_have_are_refused_by_both_verifiers_for_that_reason(
    tmp_path: Path,
) -> None:
    items = history(4_300)
    tree, chain = Frontier(), list[bytes]()
    for size, item in enumerate(items[:-1], 1):
        tree.push(item.leaf)
        chain.append(sign_checkpoint(Checkpoint(ORIGIN, size, tree.root()), SEED).encode())
    fits = [*accumulate(map(len, chain))]
    most = sum(total <= MOST_BYTES for total in fits)
    assert 0 < most < len(chain)
    folder = write_export(tmp_path / "x", items, chain=chain[:most])
    assert verdict(folder) == "PASS"
    folder = write_export(tmp_path / "y", items, chain=chain[: most + 1])
    why = (NAME, "it has more than 1000000 bytes")
    assert packaged(folder, None, None) == standing_alone(folder, None, None) == why


def test_the_manifest_names_the_file(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST, chain=CHAIN)
    (folder / NAME).write_bytes(b"".join(CHAIN[:-1]))
    assert verdict(folder) == NAME
    (folder / NAME).unlink()
    assert verdict(folder) == "manifest.json"
    other = write_export(tmp_path / "y", HONEST)
    (other / NAME).write_bytes(b"".join(CHAIN))
    assert verdict(other) == NAME


def test_a_checkpoint_of_the_empty_log_is_checked_too(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST, chain=chain_of(HONEST, [0, 7]))
    assert verdict(folder) == "PASS"
    wrong = checkpoint_of(HONEST[:5]).replace(b"\n5\n", b"\n0\n")
    folder = write_export(tmp_path / "y", HONEST[:25], checkpoint_of(HONEST), [wrong])
    assert verdict(folder) != "PASS"


def test_they_narrow_beside_a_kept_checkpoint_and_a_record(tmp_path: Path, key: Path) -> None:
    changed = relinked([*HONEST[:16], replace(HONEST[16], body=b"{}"), *HONEST[17:]])
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint_of(HONEST[:18]))
    folder = write_export(tmp_path / "x", changed, checkpoint_of(HONEST), CHAIN)
    assert verdict(folder, key=key) == "positions 16 to 20"
    assert verdict(folder, key=key, kept=kept) == "positions 16 to 18"
    (folder / "restored-from-1.note").write_bytes(record_of(HONEST, HONEST[:16], HONEST[:17]))
    assert verdict(folder, key=key, kept=kept) == "positions 17 to 17"
