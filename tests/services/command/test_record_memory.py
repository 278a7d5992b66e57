"""Events of customers met lately are recorded without looking anybody up, and just as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.vault import erasure
from infra.plumbing.vault.vault import Vault
from tests.services.command.house import BATCH, complaint
from tests.services.command.test_record import EARLY
from tests.services.command.test_record_identity import NEW, customers, naming

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.services.command.house import House


def statuses(house: House, *events: dict[str, Any]) -> list[str]:
    return [each["status"] for each in house.post(list(events), BATCH).json()["results"]]


def referral(event_id: str, **changes: Any) -> dict[str, Any]:
    data = {"referral_id": event_id, "referred": "email:friend@example.org"}
    return complaint(id=event_id, type="referral.made", data=data) | changes


@pytest.fixture
def met(house: House, monkeypatch: pytest.MonkeyPatch) -> Generator[House]:
    """A house that has met a customer with two names and a friend, and can look nobody up."""
    assert statuses(house, naming(NEW), referral("r-1")) == ["stored", "stored"]
    with monkeypatch.context() as patch:
        patch.setattr(house.vault, "people", None)
        patch.setattr(house.ledger, "known", None)
        yield house


def test_whoever_is_known_by_every_name_is_not_looked_up(met: House) -> None:
    events = [complaint(id="c-2"), naming(NEW, id="c-3"), complaint(id="c-4", subject=NEW)]

    assert statuses(met, *events, referral("r-2")) == ["stored"] * 4
    assert met.post(complaint(id="c-5")).status_code == 201
    streams = {row[0] for row in met.rows(b"SELECT stream FROM ledger.events")}
    assert streams == {met.vault.find("crm:4711")}


def test_repeats_and_conflicts_are_still_told(met: House) -> None:
    other = naming(NEW) | {"time": "2026-02-01T00:00:00Z"}

    assert statuses(met, naming(NEW), other, referral("r-1")) == [
        "duplicate",
        "conflict",
        "duplicate",
    ]
    assert met.post(other).status_code == 409


def test_known_and_new_people_of_one_request_keep_its_order(house: House) -> None:
    house.post(complaint())
    batch = [
        complaint(id="c-2", subject="crm:new"),
        complaint(id="c-3"),
        complaint(id="c-4", time=EARLY),
        complaint(id="c-5", subject="crm:new"),
        complaint(id="c-3", subject="crm:other"),
    ]

    results = house.post(batch, BATCH).json()["results"]

    assert [each["status"] for each in results] == [
        "stored",
        "stored",
        "quarantined",
        "stored",
        "conflict",
    ]
    assert [each.get("position") for each in results] == [2, 3, None, 4, None]
    assert (customers(house), house.vault.find("crm:other")) == (2, None)


def test_a_customer_suppressed_by_another_program_is_set_aside_at_once(house: House) -> None:
    assert [house.post(complaint(id=each)).status_code for each in ("c-1", "c-2")] == [201, 201]
    stream = house.vault.find("crm:4711")
    other = Vault(house.pool, house.master)
    with house.pool.connection() as connection:
        erasure.suppress(connection, other.hashes, stream, None)

    assert house.post(complaint(id="c-3")).json()["type"] == "quarantined"


def test_a_key_leaves_the_memory_also_while_nobody_sends(house: House) -> None:
    house.post(complaint())
    stream = house.vault.find("crm:4711")
    assert stream is not None
    lookups = house.rows(b"SELECT lookup FROM vault.identifiers")
    held = house.vault.known()
    assert held.get(bytes(lookups[0][0])) is not None
    with house.pool.connection() as connection:
        erasure.forget(connection, house.vault.hashes, stream)

    house.service.privacy.advance()

    memory = house.vault._memory  # pyright: ignore[reportPrivateUsage] - is the key gone by itself?
    known = memory._known  # pyright: ignore[reportPrivateUsage] - asking would make it forget
    assert known.changes == held.changes + 1
