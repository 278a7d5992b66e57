"""Helping processes change how long a verdict takes, never the verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.ledger import blocks
from infra.plumbing.ledger.entries import ENTRIES
from infra.plumbing.ledger.lines import check_lines
from tests.infra.ledger.forge import history, verdict, write_export

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.ledger.lines import Block

ITEMS = history(300, streams=11)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export of some forty chunks, for which two helpers are started."""
    monkeypatch.setattr(blocks, "HELPERS_FROM_BYTES", 1)
    monkeypatch.setattr(blocks, "CHUNK_BYTES", 4096)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    return write_export(tmp_path / "x", ITEMS)


def leaves_of(folder: Path) -> tuple[bytes, bytes]:
    """The links of all blocks, and the bytes they were read from."""
    with blocks.checked_blocks(folder / ENTRIES) as found:
        told = [(block.links, read) for block, read in found]
    return b"".join(links for links, _ in told), b"".join(read for _, read in told)


def by_ourselves(folder: Path) -> tuple[bytes, bytes]:
    text = (folder / ENTRIES).read_bytes()
    return check_lines(text, 1).links, text


def test_helpers_check_lines_and_blocks_come_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What helpers do is not done here, and all of it is theirs if they may be asked for all."""
    here: list[int] = []

    def counted(chunk: bytes, first: int) -> Block:
        here.append(first)
        return check_lines(chunk, first)

    monkeypatch.setattr(blocks, "check_lines", counted)
    monkeypatch.setattr(blocks, "MOST_ASKED", 1000)
    assert leaves_of(folder) == by_ourselves(folder)
    assert here == []


def test_lines_of_helpers_that_end_are_checked_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_PROGRAM", "import sys; sys.stdin.buffer.read(24)")
    assert leaves_of(folder) == by_ourselves(folder)


@pytest.mark.parametrize("program", ["/nowhere/python", "/dev/null"])
def test_lines_are_checked_here_if_no_helper_can_be_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    assert leaves_of(folder) == by_ourselves(folder)


def test_helpers_are_gone_when_a_fault_is_found_early(folder: Path) -> None:
    lines = (folder / ENTRIES).read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"A", b"B")
    (folder / ENTRIES).write_bytes(b"".join(lines))
    assert verdict(folder) == "position 2"


@pytest.mark.parametrize("says", [b"0", b"7", b"01", b"999999999999999999", b"9" * 40, b"-1"])
def test_a_chunk_whose_first_line_says_another_position_is_named(folder: Path, says: bytes) -> None:
    with blocks.checked_blocks(folder / ENTRIES) as found:
        first = check_lines(next(iter(found))[1], 1).count + 1
    lines = (folder / ENTRIES).read_bytes().splitlines(keepends=True)
    lines[first - 1] = lines[first - 1].replace(b":%d," % first, b":%b," % says, 1)
    (folder / ENTRIES).write_bytes(b"".join(lines))
    assert verdict(folder) == f"position {first}"


def test_a_run_of_lines_that_are_all_numbered_too_high_is_named_by_its_first(folder: Path) -> None:
    lines = (folder / ENTRIES).read_bytes().splitlines(keepends=True)
    (folder / ENTRIES).write_bytes(b"".join([*lines[:100], *lines[130:]]))
    assert verdict(folder) == "position 101"


def test_a_line_longer_than_a_chunk_and_one_without_an_end_are_read_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "CHUNK_BYTES", 100)
    assert leaves_of(folder) == by_ourselves(folder)
    text = (folder / ENTRIES).read_bytes()
    (folder / ENTRIES).write_bytes(text[:-1])
    assert verdict(folder) == "position 300"
