"""Who counts as contacted: only those we turned to, and never a held-out campaign."""

from __future__ import annotations

import pytest

from services.projections.read_models.customer_directory.fold import NOBODY, step
from services.projections.scoring.examples import fact, moment


@pytest.mark.parametrize(
    ("kind", "data", "ours"),
    [
        ("campaign.sent", {"campaign_id": "c", "arm": "treated"}, True),
        ("campaign.sent", {"campaign_id": "c", "arm": "held_out"}, False),
        ("contact.handled", {"direction": "outbound"}, True),
        ("contact.handled", {"direction": "inbound"}, False),
        ("complaint.responded", {}, True),
        ("complaint.opened", {}, False),
    ],
)
def test_only_what_we_did_is_our_contact(kind: str, data: dict[str, str], *, ours: bool) -> None:
    state = step(NOBODY, fact("2011-03-01", kind, data))
    assert state.last_contact == (moment("2011-03-01") if ours else None)
