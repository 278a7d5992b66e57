"""The few words the simulator draws from. All ours; complaint causes lean on a bundled table."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from rapport.samples import online_retail

_CAUSES: Final = Path(online_retail.__file__).with_name("complaint-causes.tsv")

MERCHANTS: Final = ("Garland & Grey", "The Paper Lantern", "Northgate Gifts", "Thimble Row")
EVIDENCE: Final = (("customer_said", 6.0), ("receipt", 3.0), ("panel", 1.0))
CHANNELS: Final = (("email", 5.0), ("phone", 4.0), ("web", 1.0))
TOPICS: Final = (
    "order_status",
    "product_question",
    "invoice_copy",
    "availability",
    "delivery_date",
)

PROMISES: Final = (
    "free delivery on the next order",
    "a call back about the new catalogue",
    "a sold-out line back in stock",
    "a sample of the spring range",
    "trade prices for the next season",
)
REMEDIES: Final = ("a replacement", "a refund to the account", "a call back with an answer")
BROKEN_BECAUSE: Final = ("out_of_stock", "forgotten", "carrier_failed", "no_capacity")

LATE_TEXTS: Final = (
    "The order came days after the date you gave.",
    "It is late and I needed it for an event.",
    "I stayed in for the delivery and nobody came.",
)
PRODUCT_TEXTS: Final = (
    "Several pieces arrived broken.",
    "This is not the article I ordered.",
    "The colour is nothing like the catalogue.",
    "Part of the order was missing.",
)
REVIEW_TEXTS: Final = {
    1: ("Late, and nobody answered.", "Broken on arrival. Never again."),
    2: ("Pretty things, poor service.", "Took far too long."),
    3: ("All right, nothing special.", "Fine goods, slow delivery."),
    4: ("Lovely gifts at fair prices.", "Good range, well packed."),
    5: ("My customers love these.", "Quick, friendly and just as shown."),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a customer complains: `about` as the complaint's field has it, and a sentence."""

    about: str
    text: str


@lru_cache(maxsize=1)
def causes() -> tuple[Cause, ...]:
    """The causes of complaint-causes.tsv: billing, service and other."""
    with _CAUSES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return tuple(Cause(row["about"], row["cause"]) for row in rows)
