"""The script that packs the invoices: grouping, its refusals, and its command line."""

from __future__ import annotations

import gzip
import lzma
from typing import TYPE_CHECKING

import pytest

from rapport.samples.build_online_retail import (
    COLUMNS,
    SourceFileError,
    compress,
    gather,
    main,
    pack,
)
from rapport.samples.online_retail import invoices

if TYPE_CHECKING:
    from pathlib import Path

HEADER = list(COLUMNS)
LATER = ["2", "B", "b", "5", "2010-01-02T10:00:00", "1.250", "77", "France"]
EARLY = ["1", "A", "a", "1", "2010-01-01T10:01:00", "3.000", "88", "EIRE"]
EARLIER = ["1", "C", "c", "2", "2010-01-01T10:00:00", "0.001", "88", "EIRE"]


def test_lines_are_gathered_by_invoice_and_the_earliest_time_counts() -> None:
    first, second = gather([HEADER, LATER, EARLY, EARLIER])

    assert (first.number, first.first_time) == ("1", "2010-01-01T10:00:00")
    assert first.lines == [("A", "1", "3"), ("C", "2", "0.001")]
    assert second.lines == [("B", "5", "1.25")]


def test_packing_does_not_depend_on_the_order_of_invoices() -> None:
    one, other = gather([HEADER, LATER, EARLY]), gather([HEADER, EARLY, LATER])

    assert pack(one) == pack(other)


def test_what_was_packed_is_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sample.xz"
    file.write_bytes(compress(pack(gather([HEADER, LATER, EARLY, EARLIER]))))

    first, second = invoices(file)

    assert (first.customer, first.skus, first.quantities) == ("88", ["A", "C"], [1, 2])
    assert (first.pence, second.pence) == (300, 625)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [([["a"]], "line 1: expected the columns"), ([HEADER, LATER[:3]], "row 2: expected 8 fields")],
)
def test_another_table_is_refused(rows: list[list[str]], sentence: str) -> None:
    with pytest.raises(SourceFileError, match=sentence):
        gather(rows)


def test_the_program_builds_and_then_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, out = tmp_path / "lines.csv.gz", tmp_path / "out.tsv.xz"
    with gzip.open(lines, "wt", newline="") as file:
        file.write("\n".join(",".join(row) for row in (HEADER, LATER, EARLY)))
    arguments = [str(lines), "--out", str(out)]

    assert main([*arguments, "--check"]) == 1
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    out.write_bytes(lzma.compress(b"changed"))
    assert main([*arguments, "--check"]) == 1
    assert "NOT what" in capsys.readouterr().out


def test_the_program_says_in_one_line_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.csv.gz")]) == 1
    assert "No such file" in capsys.readouterr().err
