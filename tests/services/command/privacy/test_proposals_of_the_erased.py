"""What is concluded about a customer whom an erasure overtook is withdrawn, and disturbs nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from tests.services.command.privacy.office import about_ada
from tests.services.command.test_proposals import propose, refused, waiting

if TYPE_CHECKING:
    from tests.services.command.privacy.office import Office


def test_a_proposal_made_behind_an_erasure_is_withdrawn(office: Office) -> None:
    house = office.house
    stream = UUID(house.post(about_ada()).json()["customer"])
    office.done("erase", str(stream))
    propose(house, stream)  # the projections had not read of the erasure yet
    size = house.ledger.size()

    assert house.service.proposals.once() == 1

    assert (waiting(house), refused(house)) == ([], {})
    assert house.rows(b"SELECT count(*) FROM outbox.proposals") == [(0,)]
    assert house.ledger.size() == size
