"""What a power cut left at the end of a file of lines is passed over, and damage is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.errors import HouseError
from infra.plumbing.line_file import LineFile

if TYPE_CHECKING:
    from pathlib import Path

ONE = b'{"n":1}\n'
TWO = b'{"n":2}\n'
LEFT = [b"{", b'{"n', b'{"n":2', b"\0", bytes(5000), b'{"n\0\0\0', b"{" + bytes(4095)]
"""What may stand after the last whole line."""


def number(line: Any) -> int:
    return int(line["n"])


def damaged(at: int) -> HouseError:
    return HouseError(f"Line {at} is damaged.")


def numbers(file: LineFile) -> list[int]:
    return file.read(number, damaged)


@pytest.fixture
def file(tmp_path: Path) -> LineFile:
    return LineFile(tmp_path / "lines")


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("before", [b"", ONE])
def test_what_a_power_cut_left_is_passed_over_and_cut_off_by_the_next_line(
    file: LineFile, before: bytes, left: bytes
) -> None:
    file.path.write_bytes(before + left)
    assert numbers(file) == [1] * len(before[:1])

    file.add([{"n": 2}])
    assert file.path.read_bytes() == before + TWO


@pytest.mark.parametrize("zeros", [b"", b"\0", bytes(5000)])
def test_a_last_line_that_lacks_only_its_end_counts(file: LineFile, zeros: bytes) -> None:
    file.path.write_bytes(ONE[:-1] + zeros)
    assert numbers(file) == [1]

    file.add([{"n": 2}])
    assert file.path.read_bytes() == ONE + TWO


@pytest.mark.parametrize("line", [b"{", b'{"n":1', b"\0", b"junk", b'{"m":1}', b"[1]", b'{"n":x}'])
def test_a_damaged_line_is_refused_with_its_number(file: LineFile, line: bytes) -> None:
    for content in (ONE + line + b"\n" + TWO, ONE + line + b"\n"):
        file.path.write_bytes(content)
        with pytest.raises(HouseError, match="Line 2 is damaged"):
            numbers(file)


def test_a_damaged_last_line_is_refused_and_nobody_cuts_it_off(file: LineFile) -> None:
    file.path.write_bytes(ONE + b"junk")
    file.add([{"n": 2}])
    assert file.path.read_bytes() == ONE + b"junk\n" + TWO
    with pytest.raises(HouseError, match="Line 2 is damaged"):
        numbers(file)


def test_lines_that_many_add_at_once_all_stand(file: LineFile) -> None:
    def add(n: int) -> None:
        LineFile(file.path).add([{"n": n}])

    with ThreadPoolExecutor(8) as adding:
        list(adding.map(add, range(100)))
    assert sorted(numbers(file)) == list(range(100))
