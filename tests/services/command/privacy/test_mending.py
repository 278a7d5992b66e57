"""A file of erasures that lacks what the database knows is made whole at the next start."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from infra.plumbing.line_file import LinesUnusable
from services.command.privacy.journal import NAME, Journal
from tests.services.command.house import BATCH, complaint
from tests.services.command.privacy.office import ADA, CARD, about_ada
from tests.services.command.privacy.test_journal import Backup, status

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from psycopg import Connection

    from tests.services.command.privacy.office import Office

SHORT = "erasures_file_was_short"
REFS = ("crm:b", "crm:c", "crm:d")


def start(office: Office) -> int:
    """What every start does before it serves; answers how many requests the file lacked."""
    with capture_logs() as logs:
        office.house.service.privacy.do_again()
    return sum(log["count"] for log in logs if log["event"] == SHORT)


def what_happened(office: Office) -> None:
    """Something of each kind: five requests."""
    office.done("erase", ADA)
    office.done("suppress", "crm:b")
    office.done("suppress", "crm:c")
    office.done("release", "crm:c")
    office.done("suppress", "crm:nobody")


def late(office: Office) -> dict[str, str]:
    refs = [ADA, CARD, "crm:b", "crm:c", "crm:d", "crm:nobody"]
    return {
        ref: status(office, complaint(id=f"late {number}", subject=ref))
        for number, ref in enumerate(refs)
    }


def files_answers(journal: Journal) -> tuple[set[UUID], set[UUID], set[bytes]]:
    wanted = journal.wanted()
    return wanted.erased, wanted.suppressed, set[bytes]().union(*wanted.listed)


def databases_answers(office: Office) -> tuple[set[UUID], set[UUID], set[bytes]]:
    found = (
        b"SELECT stream FROM vault.fences",
        b"SELECT stream FROM vault.keys WHERE suppressed IS NOT NULL",
        b"SELECT hash FROM vault.suppressed WHERE NOT released",
    )
    erased, suppressed, listed = ({each for (each,) in office.house.rows(q)} for q in found)
    return erased, suppressed, {bytes(each) for each in listed}


@pytest.mark.parametrize("left", range(6))
def test_a_file_that_was_lost_or_cut_short_is_written_anew_and_an_old_backup_brings_nobody_back(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any], left: int
) -> None:
    office.house.post([about_ada(), *(complaint(id=ref, subject=ref) for ref in REFS)], BATCH)
    backup = Backup(intruder)
    what_happened(office)
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    (tmp_path / NAME).write_bytes(b"".join(lines[:left]))
    if not left:
        (tmp_path / NAME).unlink()

    assert start(office) == 5 - left
    assert files_answers(journal) == databases_answers(office)
    assert start(office) == 0, "it is whole now"
    backup.restore()
    assert start(office) == 0, "the database lacks something, the file nothing"
    found = late(office)
    assert found == dict.fromkeys(found, "quarantined") | {"crm:c": "stored", "crm:d": "stored"}


def test_two_names_of_one_person_are_one_persons_in_the_file_written_anew(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any]
) -> None:
    backup = Backup(intruder)
    office.house.post(about_ada())
    office.done("erase", ADA)
    (tmp_path / NAME).unlink()
    assert start(office) == 1
    assert sorted(len(group) for group in journal.wanted().listed) == [2]
    assert all(not (line.customer and line.hashes) for line in journal.lines()), (
        "no hash leads to the customer who was erased"
    )

    backup.restore()
    start(office)
    office.done("release", ADA)
    assert status(office, complaint(id="late", subject=CARD)) == "stored"


def test_a_whole_file_is_left_as_it_is_and_none_is_made_where_nothing_was_asked(
    office: Office, journal: Journal, tmp_path: Path
) -> None:
    office.house.post(about_ada())
    assert start(office) == 0
    assert not (tmp_path / NAME).exists()
    office.done("suppress", ADA)
    office.done("access", ADA)
    before = (tmp_path / NAME).read_bytes()
    assert start(office) == 0
    assert (tmp_path / NAME).read_bytes() == before
    assert files_answers(journal) == databases_answers(office)


def test_what_another_program_released_stays_released_after_a_start(
    office: Office, journal: Journal, tmp_path: Path
) -> None:
    """Two programs on one database, each with a data folder: neither undoes the other's work."""
    office.house.post(complaint(id="b", subject="crm:b"))
    office.done("suppress", "crm:b")
    office.keep(Journal(tmp_path / "other" / NAME))
    office.done("release", "crm:b")
    office.keep(journal)

    assert start(office) == 1
    assert files_answers(journal) == databases_answers(office) == (set(), set(), set())
    assert status(office, complaint(id="late", subject="crm:b")) == "stored"


def test_what_a_restored_database_does_not_know_comes_after_all_that_it_does(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any]
) -> None:
    """The file lacks what is in the backup, and has what came after it."""
    office.house.post([complaint(id=ref, subject=ref) for ref in REFS], BATCH)
    office.done("suppress", "crm:b")
    backup = Backup(intruder)
    office.done("release", "crm:b")
    office.done("suppress", "crm:c")
    first, *since = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    assert b"suppress" in first
    (tmp_path / NAME).write_bytes(b"".join(since))
    backup.restore()

    assert start(office) == 1
    assert files_answers(journal) == databases_answers(office)
    found = {ref: status(office, complaint(id=f"late {ref}", subject=ref)) for ref in REFS}
    assert found == {"crm:b": "stored", "crm:c": "quarantined", "crm:d": "stored"}


def test_what_was_done_again_after_a_restore_is_older_than_what_was_asked_for_then(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any]
) -> None:
    """The restored database never learns the requests it lost; their lines must not come last."""
    backup = Backup(intruder)
    office.done("suppress", "crm:b")
    backup.restore()
    assert start(office) == 0
    office.keep(Journal(tmp_path / "other" / NAME))
    assert start(office) == 1, "the other program's file learns what was done again"
    office.done("release", "crm:b")
    office.keep(journal)

    assert start(office) == 1
    assert status(office, complaint(id="late", subject="crm:b")) == "stored"


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_file_whose_mending_was_cut_short_is_mended_again(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any], cut: int
) -> None:
    office.house.post([about_ada(), *(complaint(id=ref, subject=ref) for ref in REFS)], BATCH)
    backup = Backup(intruder)
    what_happened(office)
    (tmp_path / NAME).unlink()
    start(office)
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    assert len(lines) == 8, "what holds of three people, and five requests"
    (tmp_path / NAME).write_bytes(b"".join(lines[:cut]) + lines[cut][:30])

    start(office)
    assert files_answers(journal) == databases_answers(office)
    backup.restore()
    assert start(office) == 0
    assert late(office)["crm:b"] == "quarantined"


def test_a_file_whose_mending_was_cut_short_before_it_names_the_erased_is_mended_again(
    office: Office, journal: Journal, tmp_path: Path
) -> None:
    office.house.post(about_ada())
    office.done("erase", ADA)
    (tmp_path / NAME).unlink()
    assert start(office) == 1
    names, _ = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    (tmp_path / NAME).write_bytes(names)

    assert start(office) == 1
    assert files_answers(journal) == databases_answers(office)


def begin(office: Office, journals: list[Journal]) -> None:
    """Start a program with each journal, one after the other; it and the database then agree."""
    for journal in journals:
        office.keep(journal)
        start(office)
        erased, suppressed, listed = files_answers(journal)
        fenced, marked, on_list = databases_answers(office)
        there = {stream for (stream,) in office.house.rows(b"SELECT stream FROM vault.keys")}
        assert listed == on_list
        assert suppressed & there == marked
        assert (erased >= fenced, erased & there) == (True, set())


@pytest.mark.parametrize("seed", [1, 2, 7, 11])
def test_whatever_was_asked_lost_and_restored_file_and_database_come_to_the_same(
    office: Office, journal: Journal, tmp_path: Path, intruder: Connection[Any], seed: int
) -> None:
    """Two programs take turns. Lines get lost that the database knows; a backup is restored."""
    dice = Random(seed)  # noqa: S311 - dice of a test
    journals = [journal, Journal(tmp_path / "other" / NAME)]
    backup, file = None, tmp_path / NAME
    file.touch()

    for number in range(50):
        what = dice.choice(["event", "event", "erase", "suppress", "suppress", "release", "fault"])
        ref = dice.choice([ADA, CARD, *REFS])
        if what == "event":
            named = about_ada(f"n {number}") if ref in {ADA, CARD} else None
            office.house.post(named or complaint(id=f"n {number}", subject=ref))
        elif what != "fault":
            office.ask(what, ref)
            office.work()
        elif backup is not None and dice.random() < 0.5:
            begin(office, journals)  # so each file has all that the database loses now
            before = databases_answers(office)[2]
            backup.restore()
            begin(office, journals)
            assert databases_answers(office)[2] == before, number
        else:
            lines = file.read_bytes().splitlines(keepends=True)
            file.write_bytes(b"".join(lines[: dice.randrange(len(lines) + 1)]))
            begin(office, journals)
            backup = Backup(intruder)
        office.keep(dice.choice(journals))


def test_a_file_that_cannot_be_made_whole_is_a_reason_not_to_start(
    office: Office, tmp_path: Path
) -> None:
    office.done("suppress", ADA)
    (tmp_path / "in the way").write_bytes(b"")
    office.keep(Journal(tmp_path / "in the way" / NAME))
    with pytest.raises(LinesUnusable, match=r"erasures.ndjson cannot be .*Give the program's user"):
        start(office)
