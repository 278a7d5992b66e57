"""A request about a name that nobody had, which becomes a customer's before the work is done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.vault import resolving
from tests.services.command.privacy.office import ADA, CARD, about_ada, bodies, statuses
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.services.command.privacy.office import Office

HOLD = "SELECT FROM ops.privacy_requests WHERE id = %s FOR UPDATE"


@contextmanager
def asked(office: Office, kind: str, ref: str) -> Generator[str]:
    """Ask, and hold the request as another program that works on it would; answers its address."""
    answer = office.ask(kind, ref)
    assert answer.status_code == 202, answer.text
    assert answer.json()["customer"] is None, "nobody has the name"
    with office.house.pool.connection() as other:
        other.execute(HOLD, [answer.json()["id"]])
        yield answer.headers["location"]


def told(office: Office, address: str) -> dict[str, Any]:
    office.work()
    found = office.get(address).json()
    assert found["status"] == "done", found
    return found


def waits_for_the_list(office: Office) -> bool:
    return office.house.rows(
        b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        b" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ) != [(0,)]


def test_an_erasure_by_a_listed_name_erases_the_customer_whose_name_it_has_become(
    office: Office,
) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)
    with asked(office, "erase", ADA) as address:
        office.done("release", ADA)
        new = office.house.post(about_ada("c-2")).json()
        assert new["status"] == "stored"

    found = told(office, address)
    assert found["customer"] == new["customer"]
    assert found["certificate"]["position"] == office.house.ledger.size()
    assert bodies(office.house, new["customer"])[-1]["type"] == "customer.erased"
    assert (office.house.vault.find(ADA), office.house.vault.find(CARD)) == (None, None)
    assert office.count("vault.keys") == 0
    assert statuses(office, about_ada("c-3")) == ["quarantined"]
    left = office.house.rows(b"SELECT DISTINCT hash, lookup FROM ops.privacy_requests")
    assert left == [(None, None)]


def test_a_suppression_of_a_name_suppresses_the_customer_whose_name_it_has_become(
    office: Office,
) -> None:
    with asked(office, "suppress", ADA) as address:
        new = office.house.post(about_ada()).json()["customer"]

    assert told(office, address)["customer"] == new
    assert statuses(office, about_ada("c-2")) == ["quarantined"]
    assert [body["type"] for body in bodies(office.house, new)][-1] == "suppression.set"


@pytest.mark.parametrize("kind", ["erase", "suppress"])
def test_the_work_waits_for_a_writer_who_is_just_making_the_name_a_customers(
    office: Office, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The writer has looked on the list and not committed yet, when the request is worked off."""
    add_keys, reached, go_on = (
        resolving.add_keys,
        Event(),
        Event(),
    )  # the last thing before a commit

    def slowly(*given: Any) -> None:
        add_keys(*given)
        reached.set()
        assert go_on.wait(30)

    office.done("suppress", ADA)
    with ThreadPoolExecutor(2) as others:
        with asked(office, kind, ADA) as address:
            office.done("release", ADA)
            monkeypatch.setattr(resolving, "add_keys", slowly)
            writer = others.submit(office.house.post, about_ada())
            assert reached.wait(30)
        worker = others.submit(office.work)
        try:
            wait_until(lambda: waits_for_the_list(office), 5)
        finally:
            go_on.set()
        worker.result(30)
        assert writer.result(30).status_code in {201, 503}

    new = told(office, address)["customer"]
    assert new is not None
    assert statuses(office, about_ada("c-2")) == ["quarantined"]
    assert (office.house.vault.find(ADA) is None) == (kind == "erase")


def test_a_name_whose_customer_is_being_erased_already_is_looked_at_again_after_that(
    office: Office,
) -> None:
    office.done("suppress", ADA)
    with asked(office, "erase", ADA) as address:
        office.done("release", ADA)
        new = office.house.post(about_ada()).json()["customer"]
        direct = office.ask("erase", new)
    office.work()
    assert office.get(address).json()["status"] == "open"
    assert office.get(direct.headers["location"]).json()["status"] == "done"

    office.house.service.privacy._resting.clear()  # pyright: ignore[reportPrivateUsage] - a second later
    assert told(office, address)["customer"] is None
    assert office.house.vault.find(ADA) is None
    assert statuses(office, about_ada("c-2")) == ["quarantined"]


def test_a_name_that_was_released_before_its_erasure_was_worked_off_is_on_the_list_after_it(
    office: Office,
) -> None:
    office.done("suppress", ADA)
    with asked(office, "erase", ADA) as address:
        office.done("release", ADA)
        assert office.count("vault.suppressed") == 0

    told(office, address)
    assert statuses(office, about_ada()) == ["quarantined"]
