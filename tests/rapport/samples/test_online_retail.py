"""The bundled invoices: are they all there, and do they say what the source says?"""

from __future__ import annotations

import lzma
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from rapport.samples.build_online_retail import COLUMNS, SHIPPED, gather, pack
from rapport.samples.online_retail import (
    INVOICES,
    Invoice,
    SampleDamaged,
    events,
    invoices,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def all_invoices() -> list[Invoice]:
    return list(invoices())


def test_the_counts_are_those_of_the_source(all_invoices: list[Invoice]) -> None:
    assert len(all_invoices) == len({each.number for each in all_invoices}) == INVOICES == 44_876
    assert sum(len(each.skus) for each in all_invoices) == 809_560
    assert len({each.customer for each in all_invoices}) == 5_942
    assert sum(each.is_return for each in all_invoices) == 7_901


def test_the_revenue_is_that_of_the_source(all_invoices: list[Invoice]) -> None:
    """Figures computed from lines.csv.gz by another program, exact and then per invoice."""
    exact = {False: Decimal(0), True: Decimal(0)}
    pence = {False: 0, True: 0}
    for each in all_invoices:
        pence[each.is_return] += each.pence
        for quantity, price in zip(each.quantities, each.prices, strict=True):
            exact[each.is_return] += quantity * Decimal(price)

    assert exact == {False: Decimal("17431533.178"), True: Decimal("-1087882.140")}
    assert pence == {False: 1_743_153_316, True: 108_788_214}
    assert sum(sum(each.quantities) for each in all_invoices) == 10_562_551 - 474_878


def test_invoices_come_by_time(all_invoices: list[Invoice]) -> None:
    keys = [(each.at.replace(tzinfo=None), each.number) for each in all_invoices]

    assert keys == sorted(keys)
    assert all_invoices[0].at.isoformat() == "2009-12-01T07:45:00+00:00"
    assert all_invoices[-1].at.isoformat() == "2011-12-09T12:50:00+00:00"


def test_local_times_get_the_offset_of_their_day(all_invoices: list[Invoice]) -> None:
    by_month = {each.at.month: each.at.utcoffset() for each in all_invoices}

    assert by_month[7] == timedelta(hours=1)
    assert by_month[1] == timedelta(0)


def test_the_countries_are_kept(all_invoices: list[Invoice]) -> None:
    lines = Counter[str]()
    for each in all_invoices:
        lines[each.country] += len(each.skus)

    assert len(lines) == 41
    assert (lines["United Kingdom"], lines["EIRE"], lines["Saudi Arabia"]) == (727_663, 16_029, 10)


def test_packing_what_was_read_gives_the_shipped_file_again(all_invoices: list[Invoice]) -> None:
    rows = [list[str](COLUMNS)]
    for each in reversed(all_invoices):
        time = each.at.replace(tzinfo=None).isoformat()
        columns = zip(each.skus, each.quantities, each.prices, strict=True)
        rows.extend(
            [each.number, sku, "", str(quantity), time, price, each.customer, each.country]
            for sku, quantity, price in columns
        )

    assert pack(gather(rows)) == lzma.decompress(SHIPPED.read_bytes())


def test_an_event_is_the_invoice_in_the_contracts_words() -> None:
    first = next(iter(events()))

    assert {name: first[name] for name in first if name != "data"} == {
        "specversion": "1.0",
        "id": "489434",
        "source": "online-retail",
        "type": "purchase.completed",
        "time": "2009-12-01T07:45:00+00:00",
        "subject": "crm:online-retail-13085",
    }
    assert first["data"]["order_id"] == "489434"
    assert first["data"]["total"] == {"amount": "505.30", "currency": "GBP"}
    assert len(first["data"]["items"]) == 8
    assert first["data"]["items"][0] == {
        "sku": "21232",
        "category": "gifts",
        "quantity": 24,
        "unit_price": {"amount": "1.25", "currency": "GBP"},
    }


def test_a_return_is_one_and_its_money_is_positive() -> None:
    back = next(event for event in events() if event["id"].startswith("C"))

    assert back["type"] == "purchase.returned"
    assert Decimal(back["data"]["total"]["amount"]) > 0


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "ragged"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "sample.tsv.xz"
    match damage:
        case "cut":
            file.write_bytes(SHIPPED.read_bytes()[:500_000])
        case "other":
            file.write_bytes(lzma.compress(b"something else\n"))
        case "ragged":
            text = "rapport online-retail 1\n1\n2\n2010-01-01T00:00:00\nUK\n2\nA\n1\n1\n"
            file.write_bytes(lzma.compress(text.encode()))
        case _:
            pass

    with pytest.raises(SampleDamaged, match="missing or damaged: install Rapport again"):
        list(invoices(file))
