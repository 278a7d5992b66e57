"""`POST /v1/events` when the database commits, its answer is lost, and it stays away."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.plumbing.ledger import recorder
from infra.plumbing.ledger.ledger import Ledger
from services.command.service import CommandService
from tests.faults.wire import Loss, postgres_wire
from tests.services.command.house import BATCH, complaint

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.ledger.answers import NewEvent
    from tests.services.command.house import House


@contextmanager
def behind_wire(house: House, conninfo: str, loss: Loss) -> Generator[tuple[Path, House]]:
    """The house's intake with its ledger over a wire, and the socket that it connects to."""
    parts = conninfo_to_dict(conninfo)
    server = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    with (
        TemporaryDirectory(prefix="wire-") as folder,
        postgres_wire(Path(folder), server, loss),
        Ledger.open(make_conninfo(conninfo, host=folder, port=5432), connections=1) as ledger,
        CommandService(
            ledger=ledger,
            vault=house.vault,
            pool=house.pool,
            master=house.master,
            catalog=house.service.catalog,
        ) as service,
    ):
        assert ledger.size() == 0  # its one connection stands from here on
        ledger.recorder.datastore.pool.timeout = 0.3
        yield Path(folder) / ".s.PGSQL.5432", house.over(service)


@pytest.mark.parametrize(("number", "reply"), [(1, b"stored"), (2, b"COMMIT\x00")])
def test_a_commit_that_is_never_answered_is_not_called_not_stored(
    house: House, conninfo: str, monkeypatch: pytest.MonkeyPatch, number: int, reply: bytes
) -> None:
    monkeypatch.setattr(recorder, "PATIENCE_SECONDS", 0.2)
    events = [complaint(id=f"c-{each}", subject=f"crm:{each}") for each in range(number)]
    loss = Loss(Random(0), reply, one_in=1, most=1)  # noqa: S311 - nothing is left to chance
    with behind_wire(house, conninfo, loss) as (door, wired):
        loss.begun.set()
        elsewhere = door.rename(door.with_name("elsewhere"))
        unknown = wired.post(events, BATCH)
        assert loss.lost == 1
        never_sent = wired.post(complaint(id="later"))
        elsewhere.rename(door)
    again = house.post(events, BATCH)  # over the house's own connections

    assert house.ledger.size() == number
    assert (unknown.status_code, unknown.json()["type"]) == (504, "outcome-unknown")
    assert "not known whether" in unknown.json()["detail"]
    assert "duplicates if they were" in unknown.json()["detail"]
    assert int(unknown.headers["retry-after"]) >= 1
    assert (never_sent.status_code, never_sent.json()["type"]) == (503, "unavailable")
    assert "stored nothing" in never_sent.json()["detail"]
    assert [each["status"] for each in again.json()["results"]] == ["duplicate"] * number


def test_a_request_of_which_a_part_is_stored_is_not_called_not_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same event twice in a request is two rounds; the database goes away between them."""
    append = house.ledger.append
    rounds: list[int] = []

    def append_once(events: list[NewEvent]) -> object:
        rounds.append(len(events))
        if len(rounds) == 2:
            raise recorder.LedgerBusy
        return append(events)

    monkeypatch.setattr(house.ledger, "append", append_once)
    answer = house.post([complaint(), complaint()], BATCH)

    assert rounds == [1, 1]
    assert (answer.status_code, answer.json()["type"]) == (504, "outcome-unknown")
    assert house.ledger.size() == 1


@pytest.mark.parametrize("begun", [True, False])
def test_a_request_that_takes_too_long_is_unknown_only_if_it_was_begun(
    house: House, *, begun: bool
) -> None:
    with (
        house.another(answer_seconds=0.3) as hurried,
        house.pool.connection() as holder,
    ):
        holder.execute(b"SELECT size FROM ledger.head FOR UPDATE")
        there = house.over(hurried)
        if not begun:
            there.post(complaint(id="before"))  # its round holds the next one up
        answer = there.post(complaint())
        holder.rollback()

    assert answer.status_code == (504 if begun else 503)
    # A program that stops finishes what was begun, and only that.
    assert [fact.event_id for fact in house.ledger.facts_after(0)] == ["c-1" if begun else "before"]
