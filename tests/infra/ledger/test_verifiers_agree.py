"""The two verifiers share no code and must always say the same: PASS, or the same place.

`make test` tries ten thousand mutated exports, `make test-faults` a hundred thousand.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.plumbing import verify as alone
from infra.plumbing.ledger import lines as checked
from infra.plumbing.ledger.entries import CHECKPOINT, ENTRIES, MANIFEST
from infra.plumbing.ledger.note import VerifierKey, public_key_of
from infra.plumbing.ledger.verifying import NotTheLog, verify_export
from tests.infra.ledger.forge import (
    KEY,
    OLD,
    ORIGIN,
    SEED,
    THIEVES_SEED,
    checkpoint_of,
    history,
    line_of,
    record_of,
    relinked,
    tree_of,
    verdict,
    write_export,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEED_OF_RUN = os.environ.get("RAPPORT_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
"""Shown when a test fails; the same seed repeats the same choices."""
MUTATIONS = 500 * int(os.environ.get("RAPPORT_TEST_KILLS", "20"))
SHARES = 4
ALONE = Path(alone.__file__)
HONEST = history(12)
OTHER = relinked([*HONEST[:9], HONEST[11], HONEST[10]])
# Section 7.1 of RFC 8032: public key, signature, message, each in hexadecimal.
RFC_8032 = (
    """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
-
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c
92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
72
fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025
6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
af82
""".replace("-", "")
    .strip("\n")
    .split("\n")
)


@pytest.fixture(autouse=True)
def _signatures_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pure Python one takes two milliseconds, and most are the same in every export."""
    monkeypatch.setattr(alone, "ed25519", lru_cache(maxsize=1_000)(alone.ed25519))


def dice_of(share: int) -> tuple[random.Random, str]:
    sys.stdout.write(f"RAPPORT_TEST_SEED={SEED_OF_RUN}\n")
    return random.Random(f"{SEED_OF_RUN}/{share}"), SEED_OF_RUN  # noqa: S311 - must be repeatable


def flip(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    data[at] ^= 1 << dice.randrange(8)


def cut(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.choice([1, 2, 16, 400])]


def put_in(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice([b"\n", b" ", b'"', b"\x00", b"A", b"=", b"\xe2\x80\xa8", b"{}\n"])


def copy_over(data: bytearray, dice: random.Random) -> None:
    start, at, length = (dice.randrange(len(data)) for _ in range(3))
    data[at : at + length % 64] = data[start : start + length % 64]


def cut_end(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def swap_lines(data: bytearray, dice: random.Random) -> None:
    lines = bytes(data).splitlines(keepends=True)
    a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    data[:] = b"".join(lines)


def repeat_line(data: bytearray, dice: random.Random) -> None:
    lines = bytes(data).splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(lines))
    data[:] = b"".join(lines)


MUTATIONS_OF_BYTES: list[Callable[[bytearray, random.Random], None]] = [
    flip,
    cut,
    put_in,
    copy_over,
    cut_end,
    swap_lines,
    repeat_line,
]


@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_both_say_the_same_of_every_mutated_export(tmp_path: Path, share: int) -> None:
    dice, seed = dice_of(share)
    chain = [checkpoint_of(HONEST[:size]) for size in (3, 10)]
    folder = write_export(tmp_path / "x", HONEST, chain=chain)
    key, kept = tmp_path / "key", tmp_path / "kept"
    key.write_text(f"{KEY}\n")
    kept.write_bytes(checkpoint_of(HONEST[:7]))
    record = folder / "restored-from-1.note"
    record.write_bytes(record_of(OTHER, HONEST[:8], HONEST[:9]))
    files = {path: path.read_bytes() for path in [*sorted(folder.iterdir()), key, kept]}
    weights = [1, 2, 4, 1, 2, 1, 1]  # checkpoint, checkpoints, entries, manifest, record, key, kept
    for number in range(MUTATIONS // SHARES):
        [path] = dice.choices(list(files), weights)
        data = bytearray(files[path])
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            dice.choice(MUTATIONS_OF_BYTES)(data, dice)
            data = data or bytearray(b"\n")
        path.write_bytes(data)
        with_key, with_kept = (
            dice.random() < 0.5 or path == key,
            dice.random() < 0.5 or path == kept,
        )
        found = verdict(folder, key=key if with_key else None, kept=kept if with_kept else None)
        if path == record and with_key:  # signature lines may be moved, and added by a witness
            same = bytes(data).partition(b"\n\n")[0] == files[path].partition(b"\n\n")[0]
        else:
            same = bytes(data) == files[path] or path in {record, key, kept}
        assert found != "PASS" or same, (seed, number)
        path.write_bytes(files[path])


@pytest.mark.parametrize("share", range(SHARES))
def test_both_say_the_same_of_every_log_written_anew(tmp_path: Path, share: int) -> None:
    """Events taken out, doubled, moved and made to fit, under checkpoints of many kinds."""
    dice, seed = dice_of(share)
    key, kept = tmp_path / "key", tmp_path / "kept"
    key.write_text(f"{KEY}\n")
    for number in range(60):
        items = list(HONEST)
        for _ in range(dice.choice([0, 1, 1, 2])):
            item = items.pop(dice.randrange(len(items)))
            for _ in range(dice.choice([0, 1, 1, 2])):
                items.insert(dice.randrange(len(items) + 1), item)
        items = relinked(items) if dice.random() < 0.7 else items
        signed = dice.choice([items, HONEST, items[: dice.randrange(len(items) + 1)]])
        note = checkpoint_of(signed, dice.choice([SEED, SEED, THIEVES_SEED]))
        folder = write_export(tmp_path / str(number), items, note)
        kept.write_bytes(checkpoint_of(HONEST[: dice.randrange(len(HONEST) + 1)]))
        found = verdict(folder, key=dice.choice([key, None]), kept=dice.choice([kept, None]))
        if [item.leaf for item in items] != [item.leaf for item in HONEST] and signed is HONEST:
            assert found != "PASS", (seed, number)


@pytest.mark.parametrize("share", range(SHARES))
def test_both_say_the_same_of_every_chain_written_anew(tmp_path: Path, share: int) -> None:
    """Earlier checkpoints of this log and another, in and out of order, mutated, and listed."""
    dice, seed = dice_of(share)
    key, kept = tmp_path / "key", tmp_path / "kept"
    key.write_text(f"{KEY}\n")
    for number in range(150):
        log = dice.choice([HONEST, HONEST, HONEST, OTHER])
        sizes = sorted(dice.sample(range(13), dice.randrange(1, 5)))
        true = log is HONEST and 12 not in sizes
        chain = [checkpoint_of(log[:size]) for size in sizes]
        if dice.random() < 0.3:
            chain.append(checkpoint_of(HONEST[: dice.randrange(12)], THIEVES_SEED))
            true = False
        if dice.random() < 0.3:
            data = bytearray(b"".join(chain))
            dice.choice(MUTATIONS_OF_BYTES)(data, dice)
            true = true and bytes(data) == b"".join(chain)
            chain = [bytes(data)]
        entries_there = dice.choice([HONEST, HONEST, OTHER])
        folder = write_export(tmp_path / str(number), entries_there, chain=chain)
        kept.write_bytes(checkpoint_of(HONEST[: dice.randrange(13)]))
        with_key = dice.choice([key, None])
        found = verdict(folder, key=with_key, kept=dice.choice([kept, None]))
        if true and entries_there is HONEST:
            assert found == "PASS", (seed, number)
        false_is_there = checkpoint_of(log[: sizes[-1]]) in b"".join(
            chain
        )  # it may be cut off whole
        if log is OTHER and entries_there is HONEST and sizes[-1] in {10, 11} and false_is_there:
            assert found != "PASS", (seed, number)


@pytest.mark.parametrize("share", range(SHARES))
def test_both_say_the_same_of_every_record_written_anew(tmp_path: Path, share: int) -> None:
    """Signed by the right key or not, true and false, beside checkpoints of both logs."""
    dice, seed = dice_of(share)
    key, kept = tmp_path / "key", tmp_path / "kept"
    key.write_text(f"{KEY}\n{VerifierKey(OLD, public_key_of(SEED))}\n")
    folder = write_export(tmp_path / "x", HONEST)
    for number in range(150):
        old, agrees, begins = (
            dice.choice([HONEST, HONEST, OTHER])[: dice.randrange(13)] for _ in range(3)
        )
        edge = dice.choice([None, None, b"", tree_of(HONEST).packed(), bytes(32)])
        signers = dice.choice([(OLD, ORIGIN), (OLD, ORIGIN), (OLD,), (ORIGIN,)])
        note = record_of(
            old,
            agrees,
            begins,
            edge=edge,
            signers=signers,
            seed=dice.choice([SEED, SEED, THIEVES_SEED]),
        )
        (folder / "restored-from-1.note").write_bytes(note)
        held = dice.choice([HONEST, OTHER])[: dice.randrange(13)]
        kept.write_bytes(checkpoint_of(held, origin=dice.choice([OLD, OLD, ORIGIN])))
        found = verdict(folder, key=dice.choice([key, None]), kept=dice.choice([kept, None]))
        true = all(part == HONEST[: len(part)] for part in (agrees, begins))
        assert found != "PASS" or true, (seed, number)


@pytest.mark.parametrize("share", range(SHARES))
def test_lines_checked_together_are_what_they_are_one_by_one(share: int) -> None:
    """Nothing that is refused by itself is let through among many."""
    dice, seed = dice_of(share)
    together: Callable[[bytes, int], tuple[list[bytes], list[bytes], int]] = vars(checked)[
        "_all_good"
    ]
    lines = [line_of(item, position) for position, item in enumerate(HONEST, 1)]
    honest = b"".join(lines)
    headers, leaves, bodies = together(honest, 1)
    assert [(h, leaf) for h, leaf in zip(headers, leaves, strict=True)] == [
        checked.read_line(line[:-1], position)[:2] for position, line in enumerate(lines, 1)
    ]
    assert bodies == sum(item.whole for item in HONEST)
    for number in range(MUTATIONS // SHARES):
        data = bytearray(honest)
        dice.choice(MUTATIONS_OF_BYTES)(data, dice)
        if bytes(data) in (honest, b""):
            continue
        try:
            together(bytes(data), 1)
        except ValueError:
            continue
        *found, rest = bytes(data).split(b"\n")
        assert not rest, (seed, number)
        for position, line in enumerate(found, 1):
            checked.read_line(line, position)  # a cut between lines or a line doubled at the end


def test_many_lines_are_checked_by_helping_processes_with_the_same_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.plumbing.ledger.blocks.HELPERS_FROM_BYTES", 1)
    monkeypatch.setattr("infra.plumbing.ledger.blocks.CHUNK_BYTES", 4096)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    items = history(150, streams=11)
    folder, kept = write_export(tmp_path / "x", items), tmp_path / "kept"
    kept.write_bytes(checkpoint_of(items[:77]))
    assert verdict(folder, kept=kept) == "PASS"
    honest = (folder / ENTRIES).read_bytes()
    lines = honest.splitlines(keepends=True)
    (folder / ENTRIES).write_bytes(
        b"".join([*lines[:99], lines[99].replace(b"A", b"B"), *lines[100:]])
    )
    assert verdict(folder, kept=kept) == "position 100"
    kept.write_bytes(checkpoint_of(history(78)))
    (folder / ENTRIES).write_bytes(honest)
    assert verdict(folder, kept=kept) == "positions 1 to 78"


def test_verify_py_needs_nothing_but_itself(tmp_path: Path) -> None:
    """In another folder, with no package installed: signatures are checked without any library."""
    folder = write_export(tmp_path / "x", HONEST)
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "kept").write_bytes(checkpoint_of(HONEST[:5]))
    program = tmp_path / "verify.py"
    program.write_bytes(ALONE.read_bytes())

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", program.name, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("x", "--public-key", "key", "--checkpoint", "kept")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["PASS", "12"])
    assert done.stdout.endswith("signature checked\n")
    assert "not checked" in run("x").stdout
    (folder / CHECKPOINT).write_bytes(checkpoint_of(HONEST, THIEVES_SEED))
    done = run("x", "--public-key", "key")
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "FAIL checkpoint")
    done = run("nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: DIR nowhere: no export is there. Give the folder that" in done.stderr


def test_verify_py_is_short_and_imports_only_the_standard_library() -> None:
    text = ALONE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    imports = {
        line.split()[1].partition(".")[0]
        for line in map(str.strip, text.splitlines())
        if line.startswith(("import ", "from "))
    }
    assert imports <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("first", range(0, len(RFC_8032), 4))
def test_pure_ed25519_keeps_to_rfc_8032(first: int) -> None:
    public, half, other_half, text = map(bytes.fromhex, RFC_8032[first : first + 4])
    signed = half + other_half
    assert alone.ed25519(public, signed, text)
    assert not alone.ed25519(public, signed, text + b"\x00")
    for at in (0, 31, 32, 63):
        wrong = bytearray(signed)
        wrong[at] ^= 1
        assert not alone.ed25519(public, bytes(wrong), text)


def test_pure_ed25519_refuses_what_is_no_key_and_no_signature() -> None:
    public = public_key_of(SEED)
    assert not alone.ed25519(public, b"", b"")
    assert not alone.ed25519(public, bytes(63), b"")
    assert not alone.ed25519(b"\xff" * 32, bytes(64), b"")
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(b"text")
    assert alone.ed25519(public, signature, b"text")
    also = int.from_bytes(signature[32:], "little") + alone.ORDER  # fits the equation, not the rule
    assert not alone.ed25519(public, signature[:32] + also.to_bytes(32, "little"), b"text")


def test_an_export_is_refused_with_the_words_for_a_reader(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", HONEST)
    (folder / MANIFEST).write_bytes(b"{}")
    with pytest.raises(NotTheLog, match=r"manifest\.json: it does not belong to these files"):
        verify_export(folder)
