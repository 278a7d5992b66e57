"""The earlier checkpoints that the signer kept go with an export, out of a real database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from events.times import parse_time
from infra.plumbing.ledger import export
from infra.plumbing.ledger.chain import MOST_BYTES
from infra.plumbing.ledger.checkpoint import (
    Checkpoint,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
)
from infra.plumbing.ledger.entries import CHAIN
from infra.plumbing.ledger.export import export_log
from infra.plumbing.ledger.format import Frontier
from infra.plumbing.ledger.signing import Places, Signer
from tests.infra.ledger.forge import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger

NOW = parse_time("2026-01-05T12:00:00Z")


@dataclass(frozen=True)
class Desk:
    """Events come, are signed and exported."""

    ledger: Ledger
    signer: Signer
    places: Places
    make_event: MakeEvent
    connection: psycopg.Connection[Any]

    @property
    def key(self) -> Path:
        return self.places.published / "public-key"

    def signed(self, events: int) -> str:
        """The note over so many events more."""
        self.ledger.append([self.make_event() for _ in range(events)])
        note = self.signer.sign()
        assert note is not None
        return note


@pytest.fixture
def desk(
    conninfo: str, owner_conninfo: str, ledger: Ledger, make_event: MakeEvent, tmp_path: Path
) -> Iterator[Desk]:
    places = Places(tmp_path / "key", tmp_path / "remembered", tmp_path / "published")
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        psycopg.connect(owner_conninfo, autocommit=True) as signing,
    ):
        yield Desk(ledger, Signer(signing, places, lambda: NOW), places, make_event, connection)


def test_the_checkpoints_signed_before_go_with_an_export_and_are_checked(
    desk: Desk, tmp_path: Path
) -> None:
    notes: list[str] = []
    for number in range(5):
        folder = tmp_path / f"x{number}"
        notes.append(desk.signed(3))
        export_log(desk.connection, folder)
        assert verdict(folder, key=desk.key) == "PASS"
        chain = folder / CHAIN
        assert (chain.read_text() if chain.exists() else "") == "".join(notes[:-1])
    assert not (tmp_path / "x0" / CHAIN).exists(), "the first one has none before it"


def test_of_many_earlier_checkpoints_an_export_carries_so_many_evenly_and_always_the_same(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_NOTES", 10)
    for _ in range(45):
        desk.signed(2)
    export_log(desk.connection, tmp_path / "x")
    lines = (tmp_path / "x" / CHAIN).read_text().splitlines()
    assert [int(size) for size in lines[1::5]] == [8, 16, 26, 34, 44, 52, 62, 70, 80, 88]
    assert verdict(tmp_path / "x", key=desk.key) == "PASS"
    export_log(desk.connection, tmp_path / "y")
    assert (tmp_path / "y" / CHAIN).read_bytes() == (tmp_path / "x" / CHAIN).read_bytes()


def test_a_hundred_thousand_checkpoints_make_no_large_file(
    desk: Desk, intruder: psycopg.Connection[Any]
) -> None:
    """Rows as the signer writes them, but for their roots: their number is what is tried here."""
    latest = desk.signed(40)
    intruder.execute("DELETE FROM ledger.checkpoints")
    intruder.execute(
        "INSERT INTO ledger.checkpoints (size, note)"
        " SELECT size, replace(%s, E'\n40\n', format(E'\n%%s\n', size))"
        " FROM generate_series(1, 100000) AS size",
        (latest,),
    )
    last = Checkpoint(read_checkpoint(latest.encode()).origin, 100_001, bytes(32))
    text = export.earlier_checkpoints(desk.connection, last)
    assert text is not None
    assert text.count(b"\n") == 5 * export.MOST_NOTES
    assert len(text) < MOST_BYTES


def test_what_is_taken_out_and_signed_anew_with_the_true_key_is_found_in_the_export(
    desk: Desk, intruder: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Whoever holds key and database renumbers, makes the head anew, and signs."""
    for _ in range(4):
        desk.signed(10)
    intruder.execute("DELETE FROM ledger.rows WHERE position = 15")
    intruder.execute("UPDATE ledger.rows SET position = position - 1 WHERE position > 15")
    tree = Frontier()
    for (leaf,) in intruder.execute("SELECT leaf FROM ledger.events ORDER BY position"):
        tree.push(bytes(leaf))
    intruder.execute("UPDATE ledger.head SET size = 39, frontier = %s", (tree.packed(),))
    intruder.execute("DELETE FROM ledger.checkpoints WHERE size = 40")
    [(name,)] = intruder.execute("SELECT deployment FROM ledger.head").fetchall()
    seed = bytes.fromhex(desk.places.key.read_text().strip())
    note = sign_checkpoint(Checkpoint(origin_of(name), 39, tree.root()), seed)
    intruder.execute("INSERT INTO ledger.checkpoints (size, note) VALUES (39, %s)", (note,))
    export_log(desk.connection, tmp_path / "x")
    assert verdict(tmp_path / "x", key=desk.key) == "positions 11 to 20"
    (tmp_path / "x" / CHAIN).unlink()
    assert verdict(tmp_path / "x") == "manifest.json"
