"""Pack the Online Retail invoices into the compact file that ships with Rapport.

A maintainer runs `python -m rapport.samples.build_online_retail PATH/lines.csv.gz` and commits the
result. With `--check` nothing is written: it says whether the shipped file is, byte for byte, what
that input gives. Nothing here runs when Rapport runs; `online_retail.py` reads the file.

The packed text, before compression, is UTF-8 with line feeds and tab-separated values:

* line 1, `rapport online-retail 1`, names the format;
* then blocks of at most 2,000 invoices, each of eight lines, one line a column:
  invoice numbers, customers, first times (`2009-12-01T07:45:00`, the shop's local time), countries,
  lines per invoice; then, one value for each invoice line, stock codes, quantities, unit prices.

Invoices are ordered by time and number, their lines as the source has them. An invoice with two
times keeps the earliest. Prices lose their trailing zeros. Product descriptions are left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import lzma
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHIPPED = Path(__file__).with_name("online-retail.tsv.xz")
FORMAT = "rapport online-retail 1"
BLOCK_INVOICES = 2_000
COLUMNS = (
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "invoiced_at",
    "unit_price",
    "customer_id",
    "country",
)


class SourceFileError(Exception):
    """The input is not the table this script packs. Says which line, and what was expected."""


@dataclass(slots=True)
class PackedInvoice:
    """One invoice; `lines` holds (stock code, quantity, unit price) as text, in source order."""

    number: str
    customer: str
    country: str
    first_time: str
    lines: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


def gather(rows: Iterable[Sequence[str]]) -> list[PackedInvoice]:
    """Group the rows of `lines.csv` (header first) into invoices, ordered by time and number.

    Raises:
        SourceFileError: another header, or a row with too few or too many fields.
    """
    invoices: dict[str, PackedInvoice] = {}
    for row_number, row in enumerate(rows, start=1):
        if row_number == 1:
            if tuple(row) != COLUMNS:
                raise SourceFileError(f"line 1: expected the columns {', '.join(COLUMNS)}")
            continue
        if len(row) != len(COLUMNS):
            raise SourceFileError(f"row {row_number}: expected {len(COLUMNS)} fields")
        number, sku, _, quantity, time, price, customer, country = row
        invoice = invoices.get(number)
        if invoice is None:
            invoice = invoices[number] = PackedInvoice(number, customer, country, time)
        invoice.first_time = min(invoice.first_time, time)
        invoice.lines.append((sku, quantity, _short(price)))
    return sorted(invoices.values(), key=lambda each: (each.first_time, each.number))


def pack(invoices: Sequence[PackedInvoice]) -> bytes:
    """The packed text of these invoices, in the order given."""
    rows = [FORMAT]
    for start in range(0, len(invoices), BLOCK_INVOICES):
        block = invoices[start : start + BLOCK_INVOICES]
        columns: tuple[Iterable[str], ...] = (
            (each.number for each in block),
            (each.customer for each in block),
            (each.first_time for each in block),
            (each.country for each in block),
            (str(len(each.lines)) for each in block),
            (line[0] for each in block for line in each.lines),
            (line[1] for each in block for line in each.lines),
            (line[2] for each in block for line in each.lines),
        )
        rows.extend("\t".join(column) for column in columns)
    return ("\n".join(rows) + "\n").encode()


def compress(packed: bytes) -> bytes:
    """The shipped form: xz, preset 6 (its reader needs 8 MiB), SHA-256 as the integrity check."""
    return lzma.compress(packed, format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, preset=6)


def _short(price: str) -> str:
    """`1.250` as `1.25`, `3.000` as `3`."""
    return price.rstrip("0").rstrip(".") if "." in price else price


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or check the shipped file. Returns the exit code: 0 done or equal, 1 otherwise."""
    parser = argparse.ArgumentParser(description="Pack lines.csv.gz into online-retail.tsv.xz.")
    parser.add_argument("lines", type=Path, help="the source table, lines.csv.gz")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where to write")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with --out")
    options = parser.parse_args(arguments)
    try:
        with gzip.open(options.lines, "rt", encoding="utf-8", newline="") as source:
            built = compress(pack(gather(csv.reader(source))))
    except (OSError, SourceFileError) as problem:
        sys.stderr.write(f"{options.lines}: {problem}\n")
        return 1
    if not options.check:
        options.out.write_bytes(built)
        sys.stdout.write(f"wrote {options.out}, {len(built):,} bytes\n")
        return 0
    same = options.out.is_file() and options.out.read_bytes() == built
    sys.stdout.write(f"{options.out} is {'' if same else 'NOT '}what {options.lines} gives\n")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
