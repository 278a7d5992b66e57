"""What the timeline keeps of an event, by example: fact in, row out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.projections.scoring.examples import bought, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from events.facts import Fact

BOUGHT = bought("2011-03-01", "60.00")

CASES: tuple[tuple[str, Fact, Mapping[str, Any]], ...] = (
    (
        "A purchase is told in the sentence of its schema.",
        BOUGHT,
        {"type": "purchase.completed", "source": "shop", "simulated": False},
    ),
    (
        "What a simulator made up says so.",
        replace(BOUGHT, source="simulator/sample-7"),
        {"source": "simulator/sample-7", "simulated": True},
    ),
    (
        "A type nobody described has a row and a sentence too.",
        fact("2011-03-01", "custom.happened", {"what": "ever"}),
        {"type": "custom.happened", "sentence": "An event of the type custom.happened."},
    ),
)
"""Title, fact, and some of the row's columns."""
