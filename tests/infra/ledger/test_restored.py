"""A new log is begun over rows hashed again; its record says no more than can be proved."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from infra.plumbing.ledger.checkpoint import read_checkpoint
from infra.plumbing.ledger.export import export_log
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.note import open_note, parse_keys
from infra.plumbing.ledger.recount import roots_of_leaves
from infra.plumbing.ledger.restored import Asked, NewLogRefused, start_new_log
from tests.infra.ledger.conftest import NOW, grow
from tests.infra.ledger.forge import verdict
from tests.infra.ledger.test_signing import notes_in, opened

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.ledger.signing import Places
    from tests.infra.ledger.conftest import MakeEvent, Open

NEW = Asked("The disk of Monday\nwas lost.", UUID(int=77), NOW)


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_a_new_log_is_begun_by_a_record_signed_under_both_names(
    open_signer: Open,
    restarted: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
) -> None:
    old = f"rapport/{restarted.deployment()}"
    begun = start_new_log(owner, places, NEW)
    assert (begun.old.origin, begun.old.size) == (old, 9)
    assert (begun.first.origin, begun.first.size) == (f"rapport/{NEW.deployment}", 4)
    record = begun.record.read_text()
    assert "\nrestored-from 2\n" in record
    assert "\nreason The disk of Monday was lost.\n" in record
    keys = parse_keys((places.published / "public-key").read_text())
    assert [key.name for key in keys] == [old, begun.first.origin]
    assert open_note(record.encode(), keys)[1] == keys
    assert read_checkpoint((places.published / "latest.checkpoint").read_bytes()) == begun.first
    grow(restarted, make_event, 2)
    signer = open_signer()
    assert opened(signer.sign(), signer)[0] == 6
    assert [size for size, _ in notes_in(restarted)] == [4, 6]
    [(ended, size)] = restarted.recorder.rows(
        b"SELECT deployment, count(*) FROM ledger.restorations GROUP BY 1", {}
    )
    assert (f"rapport/{ended}", size) == (old, 1)


def test_a_log_that_holds_what_was_signed_is_not_parted_with(
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
) -> None:
    def begin(asked: Asked) -> None:
        start_new_log(owner, places, asked)

    open_signer()
    with pytest.raises(NewLogRefused, match="Nothing was ever published"):
        begin(NEW)
    open_signer().sign()
    grow(ledger, make_event, 2)
    with pytest.raises(NewLogRefused, match="goes on as it is"):
        begin(NEW)
    for reason in ("", " \n", "x" * 501, "bell\x07"):
        with pytest.raises(NewLogRefused, match="Give a reason"):
            begin(Asked(reason, NEW.deployment, NOW))


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_an_auditor_with_the_old_checkpoint_checks_the_new_logs_export(  # noqa: PLR0913, PLR0917 - fixtures
    open_signer: Open,
    restarted: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes((places.published / "latest.checkpoint").read_bytes())
    start_new_log(owner, places, NEW)
    grow(restarted, make_event, 3)
    open_signer().sign()
    folder, key = tmp_path / "x", places.published / "public-key"
    export_log(owner, folder)
    assert verdict(folder, kept=kept, key=key) == "PASS"
    record = folder / "restored-from-1.note"
    record.write_text(record.read_text().replace("\nbegins 4 ", "\nbegins 5 "))
    assert verdict(folder, kept=kept) == verdict(folder, key=key) == record.name
    record.unlink()
    assert verdict(folder, key=key) == "PASS"
    assert verdict(folder, kept=kept, key=key) == "kept checkpoint"


def told(record: Path) -> dict[str, list[str]]:
    """The lines of a record behind its first, by their first word."""
    lines = record.read_text().partition("\n\n")[0].splitlines()[1:]
    return {name: words for name, *words in (line.split(" ") for line in lines)}


@pytest.mark.usefixtures("signed_then_rolled_back")
@pytest.mark.parametrize(
    ("crime", "words"),
    [
        ("UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 3", "at position 3 is not"),
        ("UPDATE ledger.rows SET body = '{}' WHERE position = 2", "at position 2 is not"),
        ("UPDATE ledger.rows SET body = NULL WHERE position = 2", "at position 2 is not"),
        (
            "UPDATE ledger.rows SET body = NULL, body_digest = sha256('x') WHERE position = 2",
            "at position 2 is not",
        ),
        ("UPDATE ledger.rows SET event_id = 'x' WHERE position = 4", "at position 4 is not"),
        ("UPDATE ledger.rows SET version = 9 WHERE position = 4", "at position 4 is not"),
        ("DELETE FROM ledger.rows WHERE position = 2", "After position 1 the ledger goes on"),
        ("UPDATE ledger.head SET frontier = sha256('x')", "head of the log does not belong"),
    ],
)
def test_no_new_log_is_begun_over_rows_that_are_not_what_was_hashed(
    places: Places,
    owner: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
    crime: str,
    words: str,
) -> None:
    intruder.execute(crime.encode())
    before = places.remembered.read_bytes()
    with pytest.raises(NewLogRefused, match=words):
        start_new_log(owner, places, NEW)
    assert places.remembered.read_bytes() == before
    assert owner.execute("TABLE ledger.restorations").fetchall() == []


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_the_record_says_how_far_both_logs_can_be_shown_to_be_the_same(
    restarted: Ledger, make_event: MakeEvent, places: Places, owner: psycopg.Connection[Any]
) -> None:
    grow(
        restarted, make_event, 9
    )  # written to behind the restored four: none of it was ever signed
    begun = start_new_log(owner, places, NEW)
    lines = told(begun.record)
    assert (lines["signed"][0], lines["agrees"][0], lines["begins"][0]) == ("9", "0", "13")
    # Whoever holds the old checkpoint checks it: the edge hashes to its root.
    edge = Frontier(9, b64decode(lines["edge"][0]))
    assert edge.root() == begun.old.root == b64decode(lines["signed"][1])


def test_the_edge_of_the_signed_tree_shows_more_than_the_checkpoints_do(  # noqa: PLR0913, PLR0917 - fixtures
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
) -> None:
    grow(ledger, make_event, 9)
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    grow(ledger, make_event, 4)  # 13 = 8 + 4 + 1
    open_signer().sign()
    intruder.execute("DELETE FROM ledger.rows WHERE position > 9")
    intruder.execute("UPDATE ledger.head SET size = 9, frontier = (TABLE saved)")
    begun = start_new_log(owner, places, NEW)
    assert (begun.agrees.size, begun.first.size, begun.old.size) == (8, 9, 13)
    assert begun.agrees.root == roots_of_leaves(owner, [8])[8]


def test_an_older_checkpoint_shows_how_far_both_agree(  # noqa: PLR0913, PLR0917 - fixtures
    open_signer: Open,
    ledger: Ledger,
    restarted: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
) -> None:
    signer = open_signer()
    grow(ledger, make_event, 3)
    signer.sign()
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    grow(ledger, make_event, 5)
    signer.sign()
    intruder.execute("DELETE FROM ledger.rows WHERE position > 3")
    intruder.execute("UPDATE ledger.head SET size = 3, frontier = (TABLE saved)")
    grow(restarted, make_event, 2)
    places.remembered.unlink()  # nothing is left but what was published
    begun = start_new_log(owner, places, NEW)
    assert (begun.agrees.size, begun.first.size, begun.old.size) == (3, 5, 8)
    assert "edge" not in told(begun.record)
