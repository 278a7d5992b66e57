"""Read the bundled Online Retail invoices, and say them as events. Streams; keeps one block.

44,876 invoices of a UK gift seller, 2009-12-01 to 2011-12-09, by Daqing Chen (UCI Machine Learning
Repository, CC BY 4.0; see SOURCE.md). `build_online_retail.py` says how the file is laid out.
An invoice is a purchase; one whose number starts with C cancels goods and is a return.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from rapport.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "online-retail"
SOURCE: Final = "online-retail"
FILE: Final = Path(__file__).with_name("online-retail.tsv.xz")
FORMAT: Final = "rapport online-retail 1"
COLUMNS: Final = 8
INVOICES: Final = 44_876
CATEGORY: Final = "gifts"
CURRENCY: Final = "GBP"
SHOP_TIME: Final = ZoneInfo("Europe/London")
_PRICE_DECIMALS: Final = 3


class SampleDamaged(ProgramError):
    """The bundled file cannot be read to its end; `str(error)` names it and the cure."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice: `quantities` are negative in a return; prices are GBP a piece, as text.

    `skus`, `quantities` and `prices` are columns of equal length, in the order of the invoice.
    """

    number: str
    customer: str
    country: str
    at: datetime
    skus: list[str]
    quantities: list[int]
    prices: list[str]

    @property
    def is_return(self) -> bool:
        """Whether the invoice cancels goods sold before."""
        return self.number.startswith("C")

    @property
    def subject(self) -> str:
        """The customer, as the `kind:value` identifier all sample events use."""
        return subject_of(self.customer)

    @property
    def pence(self) -> int:
        """What the invoice comes to, whole pence, never negative; the half penny goes up."""
        exact = sum(map(_times, self.quantities, self.prices))
        return (abs(exact) + 5) // 10


def subject_of(customer: str) -> str:
    """The identifier of the shop's customer number."""
    return f"crm:online-retail-{customer}"


def money(pence: int) -> dict[str, str]:
    """Pence in the wire form of money: 1230 is `{"amount": "12.30", "currency": "GBP"}`."""
    return {"amount": f"{pence // 100}.{pence % 100:02d}", "currency": CURRENCY}


def invoices(file: Path = FILE) -> Iterator[Invoice]:
    """Yield every invoice, by time and number.

    Raises:
        SampleDamaged: the file is missing, cut short or not of this format.
    """
    try:
        with lzma.open(file, "rt", encoding="utf-8", newline="\n") as text:
            if next(text, "").rstrip("\n") != FORMAT:
                raise SampleDamaged(_damaged(file))
            while block := list(islice(text, COLUMNS)):
                yield from _block([line.rstrip("\n").split("\t") for line in block])
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise SampleDamaged(_damaged(file)) from error


def events(file: Path = FILE) -> Iterator[dict[str, Any]]:
    """Yield every invoice as a CloudEvent, by time: `purchase.completed` or `purchase.returned`.

    Raises:
        SampleDamaged: as `invoices`.
    """
    return map(event_of, invoices(file))


def event_of(invoice: Invoice) -> dict[str, Any]:
    """The invoice as a CloudEvent; its id is the invoice number."""
    items = [
        {
            "sku": sku.replace(" ", "-"),  # "BANK CHARGES" is the one code that is no opaque id
            "category": CATEGORY,
            "quantity": abs(quantity),
            "unit_price": {"amount": _PRICES[price], "currency": CURRENCY},
        }
        for sku, quantity, price in zip(
            invoice.skus, invoice.quantities, invoice.prices, strict=True
        )
    ]
    data: dict[str, Any] = {
        "order_id": invoice.number,
        "total": money(invoice.pence),
        "items": items,
        "country": invoice.country,
    }
    return {
        "specversion": "1.0",
        "id": invoice.number,
        "source": SOURCE,
        "type": "purchase.returned" if invoice.is_return else "purchase.completed",
        "time": invoice.at.isoformat(),
        "subject": invoice.subject,
        "data": data,
    }


class _Prices(dict[str, str]):
    """Prices of the file as amounts, each worked out once: `3` is `3.00`, `0.001` stays."""

    def __missing__(self, price: str) -> str:
        pounds, _, fraction = price.partition(".")
        amount = self[price] = f"{pounds}.{fraction:0<2}"
        return amount


class _Thousandths(dict[str, int]):
    """Prices of the file in thousandths of a pound, each worked out once."""

    def __missing__(self, price: str) -> int:
        pounds, _, fraction = price.partition(".")
        if len(fraction) > _PRICE_DECIMALS:
            raise ValueError("a price of the file has more than three decimals")
        value = self[price] = int(f"{pounds}{fraction:0<{_PRICE_DECIMALS}}")
        return value


_PRICES: Final = _Prices()
_THOUSANDTHS: Final = _Thousandths()


def _times(quantity: int, price: str) -> int:
    return quantity * _THOUSANDTHS[price]


def _block(columns: list[list[str]]) -> Iterator[Invoice]:
    """The invoices of one block. Raises ValueError if its columns do not fit together."""
    numbers, customers, times, countries, counts, skus, quantity_texts, prices = columns
    quantities = [int(text) for text in quantity_texts]
    if not len(skus) == len(quantities) == len(prices) == sum(map(int, counts)):
        raise ValueError("the columns of a block differ in length")
    start = 0
    heads = zip(numbers, customers, times, countries, counts, strict=True)
    for number, customer, time, country, count in heads:
        end = start + int(count)
        yield Invoice(
            number=number,
            customer=customer,
            country=country,
            at=datetime.fromisoformat(time).replace(tzinfo=SHOP_TIME),
            skus=skus[start:end],
            quantities=quantities[start:end],
            prices=prices[start:end],
        )
        start = end


def _damaged(file: Path) -> str:
    return f"The sample file {file} is missing or damaged: install Rapport again."
