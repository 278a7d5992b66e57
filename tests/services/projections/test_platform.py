"""What the platform did to the log as a whole is no customer to any read model."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from events.catalog import catalog
from events.facts import PLATFORM, Fact
from infra.plumbing.ledger.platform import platform_event
from services.projections.folding import by_stream, fold_rows
from services.projections.read_models.customer_timeline.fold import read_model
from services.projections.rows import ROW_COLUMNS
from tests.services.projections.house import NOW

EXPORTED = Fact(1, PLATFORM, 1, "x", "e-1", "log.exported", "1-0-0", NOW, NOW, {"size": 1})
OURS = replace(EXPORTED, stream=uuid4(), position=2)


def test_it_has_no_row_of_its_own() -> None:
    assert list(by_stream([EXPORTED, OURS])) == [OURS.stream]
    model = read_model(catalog())
    columns = [*ROW_COLUMNS, *(model.row(OURS) or {})]
    columns = list(dict.fromkeys(columns))
    assert fold_rows(model, columns, [EXPORTED, OURS])["stream"] == [OURS.stream]


def test_its_events_are_of_the_stream_and_say_what_their_language_asks_for() -> None:
    event = platform_event("log.exported", "e-1", NOW, {"size": 1, "reader": "root"})
    assert event.stream == PLATFORM
    assert catalog().check(event.type, event.schema, {"size": 1, "reader": "root"}) == []
