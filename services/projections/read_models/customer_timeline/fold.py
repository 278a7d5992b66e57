"""What happened to this customer, one plain sentence an event? Nothing here does I/O.

Order does not matter: each fact is a row of its own, and the reader sorts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.read_model import RowsModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from events.catalog import Catalog
    from events.facts import Fact


def row_of(fact: Fact, sentence: Callable[[Fact], str]) -> Mapping[str, Any]:
    """The timeline row of `fact`; unknown types have one too."""
    return {
        "version": fact.version,
        "event_id": fact.event_id,
        "type": fact.type,
        "schema": fact.schema,
        "source": fact.source,
        "simulated": fact.simulated,
        "sentence": sentence(fact),
    }


def read_model(language: Catalog) -> RowsModel:
    """The timeline, told in the sentences of `language`."""
    sentence = language.sentence
    return RowsModel(name="customer_timeline", version=1, row=lambda fact: row_of(fact, sentence))
