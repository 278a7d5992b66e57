"""The records of old logs in an export: both verifiers check each, and name the one that is false.

A log of 23 events was restored from a backup of 20, of which 16 can be shown to be the same; the
new one went on to 30.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from infra.plumbing import verify as alone
from infra.plumbing.ledger.note import VerifierKey, public_key_of
from infra.plumbing.ledger.verifying import verify_export
from tests.infra.ledger.forge import (
    KEY,
    OLD,
    ORIGIN,
    SEED,
    THIEVES_SEED,
    Item,
    checkpoint_of,
    history,
    record_of,
    relinked,
    tree_of,
    verdict,
    write_export,
)

if TYPE_CHECKING:
    from pathlib import Path

NEW = history(30)
OTHER = relinked([*NEW[:20], *(replace(item, body=b"{}") for item in NEW[20:])])
OLD_LOG = OTHER[:23]
CHANGED = relinked([*NEW[:9], replace(NEW[9], body=b"{}"), *NEW[10:]])
KEY_OF_OLD = VerifierKey(OLD, public_key_of(SEED))
TRUE = record_of(OLD_LOG, NEW[:16], NEW[:20])
NAME = "restored-from-1.note"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The signer's public key, under the new log's name alone."""
    path = tmp_path / "public-key"
    path.write_text(f"{KEY}\n")
    return path


def told(tmp_path: Path, *records: bytes, key: Path | None = None, kept: bytes = b"") -> str:
    folder = write_export(tmp_path / "x", NEW)
    for number, record in enumerate(records, 1):
        (folder / f"restored-from-{number}.note").write_bytes(record)
    path = tmp_path / "kept"
    path.write_bytes(kept)
    return verdict(folder, key=key, kept=path if kept else None)


def test_a_true_record_passes_and_is_told_in_the_same_words(tmp_path: Path, key: Path) -> None:
    assert told(tmp_path, TRUE, key=key) == "PASS"
    words = (
        f"{OLD} ended with 23 signed events; this log agrees with 16 of them, begins with 20; "
        "positions 17 to 23 of the old log are not in this log"
    )
    assert str(verify_export(tmp_path / "x").records[NAME]) == words
    assert alone.verify(tmp_path / "x").endswith(f"\n{NAME}: {words}")


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (record_of(OLD_LOG, NEW[:16], NEW[:20], seed=THIEVES_SEED), NAME),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], signers=(ORIGIN,)), NAME),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], signers=(OLD,)), NAME),
        (TRUE.replace(b"reason fire", b"reason none"), NAME),
        (TRUE.replace(b"restored-from 2", b"restored-from 3"), NAME),
        (b"", NAME),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], edge=tree_of(NEW[:23]).packed()), NAME),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], edge=bytes(32)), NAME),
        (record_of(OLD_LOG, CHANGED[:16], NEW[:20]), NAME),
        (record_of(OLD_LOG, NEW[:16], OTHER[:21]), NAME),
        (record_of(CHANGED[:23], NEW[:20], NEW[:20]), NAME),  # the edge is another tree's
        (record_of(CHANGED[:16], NEW[:20], NEW[:20], edge=b""), NAME),
        (record_of(OLD_LOG, NEW, [*NEW, NEW[0]]), NAME),
        (record_of(OLD_LOG, CHANGED[:0], NEW[:20]), "PASS"),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], edge=b""), "PASS"),
        (record_of(NEW[:18], NEW[:18], NEW[:20]), "PASS"),
        (record_of(OLD_LOG, NEW[:16], NEW[:20], names=(OLD, OLD), signers=(OLD,)), NAME),
    ],
)
def test_a_false_record_is_named(tmp_path: Path, key: Path, record: bytes, found: str) -> None:
    assert told(tmp_path, record, key=key) == found


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (OLD_LOG[:12], "PASS"),
        (OLD_LOG[:16], "PASS"),
        (OLD_LOG[:21], "PASS"),  # behind what agrees there is nothing to compare with
        (OLD_LOG, "PASS"),
        (CHANGED[:12], "positions 1 to 12"),
        (CHANGED[:16], NAME),  # the edge tells of this size
        (CHANGED[:23], NAME),
        (NEW[:22], NAME),
        (OTHER[:24], NAME),  # more was signed than the record says
    ],
)
def test_a_kept_checkpoint_of_the_old_log_is_checked(
    tmp_path: Path, kept: list[Item], found: str
) -> None:
    note = checkpoint_of(kept, origin=OLD)
    both = tmp_path / "both"
    both.write_text(f"{KEY}\n{KEY_OF_OLD}\n")
    assert told(tmp_path, TRUE, kept=note, key=both) == found


@pytest.mark.parametrize("number", range(20))
def test_a_public_key_is_read_whatever_it_begins_with(tmp_path: Path, number: int) -> None:
    seed = bytes([number]) * 32
    key = tmp_path / "any"
    key.write_text(str(VerifierKey(ORIGIN, public_key_of(seed))))
    folder = write_export(tmp_path / "x", NEW, checkpoint_of(NEW, seed))
    assert verdict(folder, key=key) == "PASS"


def test_an_old_logs_checkpoint_needs_a_record(tmp_path: Path) -> None:
    assert told(tmp_path, kept=checkpoint_of(NEW[:9], origin=OLD)) == "kept checkpoint"


def test_several_records_lead_to_this_log(tmp_path: Path, key: Path) -> None:
    middle = f"rapport/{UUID(int=8)}"
    first = record_of(OLD_LOG, NEW[:16], NEW[:20], names=(OLD, middle), signers=(OLD, middle))
    second = record_of(
        NEW[:25], NEW[:24], NEW[:24], names=(middle, ORIGIN), signers=(middle, ORIGIN)
    )
    assert told(tmp_path, first, second, key=key) == "PASS"
    folder = tmp_path / "x"
    (folder / NAME).rename(folder / "restored-from-3.note")
    assert verdict(folder, key=key) == NAME
    (folder / "restored-from-2.note").rename(folder / NAME)
    (folder / "restored-from-3.note").rename(folder / "restored-from-2.note")
    assert verdict(folder, key=key) == "restored-from-2.note"


def test_a_true_record_narrows_where_entries_were_changed(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", CHANGED, checkpoint_of(NEW))
    assert verdict(folder) == "positions 1 to 30"
    (folder / NAME).write_bytes(TRUE)
    assert verdict(folder) == "positions 1 to 16"
    later = relinked([*NEW[:25], replace(NEW[25], body=b"{}"), *NEW[26:]])
    folder = write_export(tmp_path / "y", later, checkpoint_of(NEW))
    (folder / NAME).write_bytes(TRUE)
    assert verdict(folder) == "positions 21 to 30"
