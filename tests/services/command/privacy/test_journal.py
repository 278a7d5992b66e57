"""What stands in the journal is done again in a database that has forgotten it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from services.command.privacy.journal import NAME, Journal, JournalDamaged
from services.command.privacy.values import Kind
from tests.services.command.house import BATCH, NOW, complaint
from tests.services.command.privacy.office import ADA, CARD, EARLY, about_ada

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from tests.services.command.privacy.office import Office

TABLES = (
    "vault.keys",
    "vault.identifiers",
    "vault.suppressed",
    "vault.fences",
    "ops.quarantine",
    "ops.privacy_requests",
    "ops.privacy_steps",
    "ops.privacy_done_again",
)


class Backup:
    """The vault as it was, to be restored over what became of it."""

    def __init__(self, superuser: Connection[Any]) -> None:
        self._superuser = superuser
        for table in TABLES:
            name = table.replace(".", "_")
            superuser.execute(f"DROP TABLE IF EXISTS public.{name}".encode())
            superuser.execute(f"CREATE TABLE public.{name} AS TABLE {table}".encode())

    def restore(self) -> None:
        """Put back what the tables held; what the ledger has taken since stays."""
        self._superuser.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        for table in TABLES:
            name = table.replace(".", "_")
            copy = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE public.{name}"
            self._superuser.execute(copy.encode())


def status(office: Office, event: dict[str, Any]) -> str:
    return office.house.post([event], BATCH).json()["results"][0]["status"]


@pytest.mark.usefixtures("journal")
def test_erased_and_suppressed_people_are_so_again_and_released_ones_are_not(
    office: Office, intruder: Connection[Any]
) -> None:
    house, privacy = office.house, office.house.service.privacy
    house.post(
        [about_ada(), *(complaint(id=ref, subject=ref) for ref in ("crm:b", "crm:c"))], BATCH
    )
    backup = Backup(intruder)
    office.done("erase", ADA)
    office.done("suppress", "crm:b")
    office.done("suppress", "crm:c")
    office.done("release", "crm:c")
    office.done("suppress", "crm:nobody")
    backup.restore()
    assert house.vault.find(ADA) is not None

    assert privacy.do_again() == 2
    assert (house.vault.find(ADA), house.vault.find(CARD)) == (None, None)
    refs = [ADA, CARD, "crm:b", "crm:c", "crm:nobody"]
    late = {
        ref: status(office, complaint(id=f"late {number}", subject=ref))
        for number, ref in enumerate(refs)
    }
    assert late == dict.fromkeys(late, "quarantined") | {"crm:c": "stored"}
    asked = house.rows(
        b"SELECT type, asked_by, done_at IS NULL FROM ops.privacy_requests ORDER BY 1"
    )
    assert asked == [
        ("erase", "rapport/restored", False),
        ("suppress", "rapport/restored", False),
    ]
    assert privacy.do_again() == 0, "what the database knows is not done again"


@pytest.mark.usefixtures("journal")
def test_a_customer_suppressed_in_the_backup_and_released_since_is_released_again(
    office: Office, intruder: Connection[Any]
) -> None:
    office.house.post(about_ada())
    office.done("suppress", ADA)
    assert status(office, about_ada("waits")) == "quarantined"
    backup = Backup(intruder)
    office.done("release", ADA)
    backup.restore()
    assert status(office, about_ada("late")) == "quarantined"

    assert [office.house.service.privacy.do_again() for _ in range(2)] == [1, 0]
    assert status(office, about_ada("waits")) == "duplicate", "what waited was recorded"
    assert status(office, about_ada("new")) == "stored"


@pytest.mark.usefixtures("journal")
def test_whoever_was_erased_and_then_released_is_erased_again_and_stays_released(
    office: Office, intruder: Connection[Any]
) -> None:
    office.house.post(about_ada())
    backup = Backup(intruder)
    office.done("erase", ADA)
    office.done("release", ADA)
    backup.restore()

    for times in (1, 0):
        assert office.house.service.privacy.do_again() == times
        assert office.count("vault.fences") == 1
    assert status(office, about_ada("new life")) == "stored"
    assert office.house.service.privacy.do_again() == 0
    assert status(office, about_ada("and on")) == "stored"


def test_two_names_of_one_erased_person_are_released_together(
    office: Office, journal: Journal, intruder: Connection[Any]
) -> None:
    backup = Backup(intruder)
    office.house.post(about_ada())
    office.done("erase", ADA)
    [names] = journal.wanted().listed
    assert len(names) == 2
    backup.restore()

    assert office.house.service.privacy.do_again() == 0, "nobody was there when it was made"
    office.done("release", ADA)
    assert status(office, complaint(id="late", subject=CARD)) == "stored"


@pytest.mark.usefixtures("journal")
def test_what_had_waited_about_the_erased_before_they_were_a_customer_does_not_come_back(
    office: Office, intruder: Connection[Any]
) -> None:
    house, privacy = office.house, office.house.service.privacy
    early = [about_ada(time=EARLY), complaint(id="b-1", subject="crm:bob", time=EARLY)]
    house.post(early, BATCH)
    backup = Backup(intruder)
    house.post(about_ada("c-2"))
    office.done("erase", ADA)
    backup.restore()
    assert house.rows(b"SELECT event_id FROM ops.quarantine ORDER BY id") == [("c-1",), ("b-1",)]

    privacy.do_again()

    assert house.rows(b"SELECT event_id FROM ops.quarantine") == [("b-1",)]
    assert office.count("vault.keys") == 1
    assert status(office, about_ada("late")) == "quarantined"
    privacy.do_again()
    assert office.count("ops.quarantine") == 2, "what came since waits for a release"


def test_a_line_torn_off_by_a_power_cut_is_passed_over_and_a_damaged_one_is_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / NAME
    journal, first, second = Journal(path), uuid4(), uuid4()
    assert journal.wanted().erased == set()
    journal.note(Kind.ERASE, uuid4(), first, [bytes(32)], NOW)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    journal.note(Kind.ERASE, uuid4(), second, [], NOW)
    assert journal.wanted().erased == {first, second}
    assert path.stat().st_mode & 0o777 == 0o600

    path.write_bytes(whole.replace(b"00", b"zz") + whole)
    with pytest.raises(JournalDamaged, match="Line 1 of"):
        journal.wanted()
