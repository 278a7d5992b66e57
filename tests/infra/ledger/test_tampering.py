"""Promise P9: any change, removal or insertion under a checkpoint that an outsider holds is found.

Every forgery is judged by both verifiers, which must name the same place. Three thieves: one makes
every changed line fit itself, one makes it fit its neighbours too, and one writes the whole log
anew and signs it with a key of their own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from infra.plumbing.ledger.checkpoint import Checkpoint, sign_checkpoint
from infra.plumbing.ledger.entries import write_line
from infra.plumbing.ledger.format import leaf_hash, pack_header
from infra.plumbing.ledger.verifying import ROOT_DIFFERS
from tests.infra.ledger.forge import (
    KEY,
    ORIGIN,
    SEED,
    THIEVES_SEED,
    Item,
    checkpoint_of,
    history,
    line_of,
    relinked,
    verdict,
    verdict_in_words,
    write_export,
    write_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Forgery = Callable[[list[Item]], list[Item]]

HONEST = history(30)
CUSTOMER = UUID(int=2)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The signer's public key, as an outsider keeps it."""
    path = tmp_path / "public-key"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A checkpoint of the first 20 events, as an outsider keeps it."""
    path = tmp_path / "kept"
    path.write_bytes(checkpoint_of(HONEST[:20]))
    return path


def changed(items: list[Item]) -> list[Item]:
    return [*items[:9], replace(items[9], body=b'{"data":{"text":"I said no"}}'), *items[10:]]


def retyped(items: list[Item]) -> list[Item]:
    header = replace(items[9].header, type="consent.given")
    return [*items[:9], replace(items[9], header=header), *items[10:]]


def swapped(items: list[Item]) -> list[Item]:
    return [*items[:9], items[10], items[9], *items[11:]]


def without_first(items: list[Item]) -> list[Item]:
    return items[1:]


def without_middle(items: list[Item]) -> list[Item]:
    return [*items[:9], *items[10:]]


def without_last(items: list[Item]) -> list[Item]:
    return items[:-1]


def without_customer(items: list[Item]) -> list[Item]:
    return [item for item in items if item.header.stream != CUSTOMER]


def backdated(items: list[Item]) -> list[Item]:
    header = items[9].header
    header = replace(header, occurred_at=header.occurred_at - timedelta(days=365))
    return [*items[:9], replace(items[9], header=header), *items[10:]]


def recorded_earlier(items: list[Item]) -> list[Item]:
    header = items[9].header
    header = replace(header, recorded_at=header.recorded_at - timedelta(days=365))
    return [*items[:9], replace(items[9], header=header), *items[10:]]


def inserted(items: list[Item]) -> list[Item]:
    header = replace(items[9].header, event_id="never-happened")
    return [*items[:9], replace(items[9], header=header), *items[9:]]


def given_to_another(items: list[Item]) -> list[Item]:
    header = replace(items[9].header, stream=UUID(int=99))
    return [*items[:9], replace(items[9], header=header), *items[10:]]


def truncated(items: list[Item]) -> list[Item]:
    return items[:15]


FORGERIES = (
    changed,
    retyped,
    swapped,
    without_first,
    without_middle,
    without_last,
    without_customer,
    backdated,
    recorded_earlier,
    inserted,
    given_to_another,
    truncated,
)


def test_an_honest_export_passes(tmp_path: Path, key: Path, kept: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    assert verdict(folder) == "PASS"
    assert verdict(folder, key=key) == "PASS"
    assert verdict(folder, kept=kept, key=key) == "PASS"
    assert verdict(folder, kept=folder / "checkpoint") == "PASS"


@pytest.mark.parametrize("events", [0, 1, 2, 3, 7, 8, 9])
def test_a_log_of_any_size_passes(tmp_path: Path, key: Path, events: int) -> None:
    assert verdict(write_export(tmp_path / "x", HONEST[:events]), key=key) == "PASS"


@pytest.mark.parametrize(
    ("forgery", "where"),
    [
        (changed, "position 14"),
        (retyped, "position 14"),
        (swapped, "position 11"),
        (without_first, "position 4"),
        (without_middle, "position 13"),
        (without_last, "positions 1 to 30"),
        (without_customer, "positions 1 to 30"),
        (backdated, "position 14"),
        (recorded_earlier, "position 10"),
        (inserted, "position 11"),
        (given_to_another, "position 10"),
        (truncated, "positions 1 to 30"),
    ],
)
def test_lines_made_to_fit_themselves_are_found_by_their_neighbours(
    tmp_path: Path, forgery: Forgery, where: str
) -> None:
    folder = write_export(tmp_path / "x", forgery(list(HONEST)), checkpoint_of(HONEST))
    assert verdict(folder) == where


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_log_made_to_fit_is_found_under_the_signed_checkpoint(
    tmp_path: Path, forgery: Forgery
) -> None:
    folder = write_export(tmp_path / "x", relinked(forgery(list(HONEST))), checkpoint_of(HONEST))
    assert verdict(folder).startswith("position")


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_log_signed_anew_by_a_thief_is_found_with_the_public_key(
    tmp_path: Path, key: Path, forgery: Forgery
) -> None:
    forged = relinked(forgery(list(HONEST)))
    folder = write_export(tmp_path / "x", forged, checkpoint_of(forged, THIEVES_SEED))
    assert verdict(folder, key=key) == "checkpoint"


@pytest.mark.parametrize("forgery", [each for each in FORGERIES if each is not without_last])
def test_a_log_signed_anew_by_the_signer_itself_is_found_with_a_kept_checkpoint(
    tmp_path: Path, key: Path, kept: Path, forgery: Forgery
) -> None:
    """A split view, or a log rolled back and written again: even the true key does not help."""
    forged = relinked(forgery(list(HONEST)))
    folder = write_export(tmp_path / "x", forged)
    assert verdict(folder, kept=kept, key=key).startswith("position")


def test_nobody_can_tell_without_something_of_their_own(tmp_path: Path) -> None:
    """Why --public-key and --checkpoint are there, and what verify says without them."""
    forged = relinked(without_customer(list(HONEST)))
    folder = write_export(tmp_path / "x", forged, checkpoint_of(forged, THIEVES_SEED))
    assert verdict(folder) == "PASS"


def test_a_deleted_line_is_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    lines = (folder / "entries.ndjson").read_bytes().splitlines(keepends=True)
    (folder / "entries.ndjson").write_bytes(b"".join(lines[:11] + lines[12:]))
    assert verdict(folder) == "position 12"


def test_a_deleted_customer_is_named_by_their_first_event(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    lines = (folder / "entries.ndjson").read_bytes().splitlines(keepends=True)
    left = [
        line for line, item in zip(lines, HONEST, strict=True) if item.header.stream != CUSTOMER
    ]
    (folder / "entries.ndjson").write_bytes(b"".join(left))
    assert verdict(folder) == "position 2"


def test_a_deleted_customer_whose_lines_are_numbered_anew_is_told_as_well_as_can_be(
    tmp_path: Path, kept: Path
) -> None:
    """Each line fits its neighbours then: only roots tell where, and only as far as one is held."""
    left = without_customer(list(HONEST))  # 8 of 30 are theirs, the first at 2
    folder = write_export(tmp_path / "x", left, checkpoint_of(HONEST))
    gone = "; 8 of 30 signed events are gone"
    assert verdict_in_words(folder) == ("positions 1 to 30", f"they are not all there{gone}")
    where, why = verdict_in_words(folder, kept=kept)
    assert where == "positions 1 to 20"
    assert why == f"{ROOT_DIFFERS}{gone}"
    later = [*HONEST[:22], *without_customer(HONEST[22:])]
    folder = write_export(tmp_path / "y", later, checkpoint_of(HONEST))
    assert verdict_in_words(folder, kept=kept) == (
        "positions 21 to 30",
        "they are not all there; 2 of 30 signed events are gone",
    )


def test_a_customer_whose_versions_have_a_hole_is_named_with_the_versions(tmp_path: Path) -> None:
    left = [item for item in HONEST if item.header.stream != CUSTOMER or item.header.version > 3]
    folder = write_export(tmp_path / "x", left, checkpoint_of(HONEST))
    why = f"before it versions 1 to 3 of customer {CUSTOMER} are missing"
    assert verdict_in_words(folder) == (
        "position 11",
        f"{why}; 3 of 30 signed events are gone",
    )
    left = [*HONEST[:9], *HONEST[10:]]
    folder = write_export(tmp_path / "y", left, checkpoint_of(HONEST))
    why = f"before it versions 3 to 3 of customer {CUSTOMER} are missing"
    assert verdict_in_words(folder)[1] == f"{why}; 1 of 30 signed events are gone"


def test_a_cut_end_is_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST[:25], checkpoint_of(HONEST))
    assert verdict(folder) == "positions 1 to 30"
    whole = (folder / "entries.ndjson").read_bytes()
    (folder / "entries.ndjson").write_bytes(whole[:-1])
    assert verdict(folder) == "position 25"


def test_what_stands_beyond_the_checkpoint_is_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST, checkpoint_of(HONEST[:25]))
    assert verdict(folder) == "position 26"


def test_a_kept_checkpoint_narrows_where_the_fault_is(tmp_path: Path, kept: Path) -> None:
    later = [*HONEST[:24], replace(HONEST[24], body=b"{}"), *HONEST[25:]]
    folder = write_export(tmp_path / "x", relinked(later), checkpoint_of(HONEST))
    assert verdict(folder) == "positions 1 to 30"
    assert verdict(folder, kept=kept) == "positions 21 to 30"


def test_a_log_rolled_back_behind_the_kept_checkpoint_is_found(
    tmp_path: Path, kept: Path, key: Path
) -> None:
    folder = write_export(tmp_path / "x", HONEST[:17])
    assert verdict(folder, key=key) == "PASS"
    assert verdict(folder, kept=kept, key=key) == "positions 18 to 20"


def test_a_checkpoint_of_another_log_is_told_from_this_one(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(checkpoint_of(HONEST[:20], origin=f"rapport/{UUID(int=2)}"))
    assert verdict(write_export(tmp_path / "x", HONEST), kept=other) == "kept checkpoint"


def test_a_kept_checkpoint_must_be_signed_too(tmp_path: Path, key: Path) -> None:
    forged = tmp_path / "forged"
    forged.write_bytes(checkpoint_of(HONEST[:20], THIEVES_SEED))
    folder = write_export(tmp_path / "x", HONEST)
    assert verdict(folder, kept=forged) == "PASS"
    assert verdict(folder, kept=forged, key=key) == "kept checkpoint"


def test_a_dropped_body_passes_and_a_body_put_in_its_place_does_not(tmp_path: Path) -> None:
    dropped = [replace(item, whole=False) for item in HONEST]
    note = checkpoint_of(HONEST)
    assert verdict(write_export(tmp_path / "x", dropped, note)) == "PASS"
    lines = [line_of(item, position) for position, item in enumerate(HONEST, 1)]
    lines[8] = line_of(replace(HONEST[8], whole=True), 9).replace(b'"body":"eyJk', b'"body":"eyJl')
    folder = write_files(tmp_path / "y", HONEST, lines, note)
    assert verdict(folder) == "position 9"


@pytest.mark.parametrize("name", ["entries.ndjson", "checkpoint", "manifest.json"])
def test_an_export_without_one_of_its_files_fails(tmp_path: Path, name: str) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    (folder / name).unlink()
    assert verdict(folder) == ("position 1" if name == "entries.ndjson" else name)


@pytest.mark.parametrize("bad", ["", "nonsense\n", f"{KEY}x\n", f"{ORIGIN}+00000000+AAAA\n"])
def test_a_public_key_that_is_none_fails(tmp_path: Path, bad: str) -> None:
    key = tmp_path / "bad-key"
    key.write_text(bad)
    assert verdict(write_export(tmp_path / "x", HONEST), key=key) == "--public-key"


def test_no_single_flipped_bit_of_an_export_is_passed_over(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", relinked(HONEST[1:3]))  # a body, and a dropped one
    end_of_first = (folder / "entries.ndjson").read_bytes().index(b"\n")
    for file in sorted(folder.iterdir()):
        honest = file.read_bytes()
        for bit in range(8 * len(honest)):
            flipped = bytearray(honest)
            flipped[bit // 8] ^= 1 << bit % 8
            file.write_bytes(flipped)
            found = verdict(folder)
            assert found != "PASS", (file.name, bit)
            if file.name == "entries.ndjson":
                assert found == f"position {1 + (bit // 8 > end_of_first)}", bit
        file.write_bytes(honest)
    assert verdict(folder) == "PASS"


def test_a_hole_in_a_customers_versions_is_named_even_if_it_was_signed(tmp_path: Path) -> None:
    header = replace(HONEST[9].header, version=HONEST[9].header.version + 1)
    forged = [*HONEST[:9], replace(HONEST[9], header=header)]
    assert verdict(write_export(tmp_path / "x", forged)) == "position 10"


def test_two_checkpoints_of_the_same_size_must_be_the_same(tmp_path: Path, key: Path) -> None:
    """A split view: the log that was shown to us and the one shown to somebody else."""
    other = tmp_path / "other"
    other.write_bytes(checkpoint_of(relinked(changed(list(HONEST)))))
    folder = write_export(tmp_path / "x", HONEST)
    assert verdict(folder, kept=other, key=key) == "positions 1 to 30"


@pytest.mark.parametrize("part", [b'"header":"', b'"body":"', b'"leaf":"'])
def test_base64_that_says_the_same_in_another_way_is_named(tmp_path: Path, part: bytes) -> None:
    lines = [line_of(item, position) for position, item in enumerate(HONEST, 1)]
    before, found, after = lines[10].partition(part)
    encoded, quote, rest = after.partition(b'"')
    assert encoded.endswith(b"="), "its last group must have spare bits"
    letters = encoded.rstrip(b"=")
    other = letters[:-1] + bytes([letters[-1] + 1]) + encoded[len(letters) :]
    lines[10] = before + found + other + quote + rest
    folder = write_files(tmp_path / "x", HONEST, lines, checkpoint_of(HONEST))
    assert verdict(folder) == "position 11"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"shop", "sh\u00fc".encode(), "PASS"),
        (b"shop", b"sh\xff!", "position 1"),
        (b"0/1", b"0/\xc3", "position 1"),
        (b"\x01" + UUID(int=1).bytes, b"\x02" + UUID(int=1).bytes, "position 1"),
        (b"\x00\x04shop", b"\x00\x03shop", "position 1"),
        (b"\x00\x04shop", b"\xff\xffshop", "position 1"),
        (b"1-0-0\x00", b"1-0-0\x7f", "position 1"),
        (b"0/1", b"0/1more", "position 1"),
    ],
)
def test_a_header_of_another_form_is_named_even_if_it_was_signed(
    tmp_path: Path, old: bytes, new: bytes, found: str
) -> None:
    header = pack_header(HONEST[0].header).replace(old, new, 1)
    body = HONEST[0].body
    leaf = leaf_hash(header, sha256(body).digest())
    line = write_line(1, header, body, leaf, whole=True)
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf), SEED).encode()
    assert verdict(write_files(tmp_path / "x", HONEST[:1], [line], note)) == found
