"""An export is the log to the byte, whole or not there, and checks without its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import psycopg
import pytest

from events.times import parse_time
from infra.plumbing.ledger import export
from infra.plumbing.ledger.entries import ENTRIES
from infra.plumbing.ledger.export import ExportRefused, export_log
from infra.plumbing.ledger.signing import Places, Signer
from tests.infra.ledger.forge import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger

NOW = parse_time("2026-01-05T12:00:00Z")


@pytest.fixture
def connection(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo, autocommit=True) as opened:
        yield opened


@pytest.fixture
def unsigned(ledger: Ledger, make_event: MakeEvent) -> None:
    """Forty events of six customers."""
    streams = [uuid4() for _ in range(6)]
    ledger.append(
        [make_event(stream=streams[number % 6], text=f"ü {number}") for number in range(40)]
    )


@pytest.fixture
def signed(unsigned: None, owner_conninfo: str, tmp_path: Path) -> Path:
    """The same, signed; the folder with checkpoint and public key."""
    places = Places(tmp_path / "key", tmp_path / "remembered", tmp_path / "published")
    with psycopg.connect(owner_conninfo, autocommit=True) as signing:
        Signer(signing, places, lambda: NOW).sign()
    return places.published


@pytest.mark.parametrize("batch", [7, 40, 1000])
def test_an_export_passes_both_verifiers(
    connection: psycopg.Connection[Any],
    signed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    monkeypatch.setattr(export, "BATCH", batch)
    told: list[tuple[int, int]] = []
    done = export_log(connection, tmp_path / "x", lambda now, total: told.append((now, total)))
    assert (done.counts.events, done.counts.bodies, done.counts.streams) == (40, 40, 6)
    assert told[-1] == (40, 40)
    kept, key = signed / "latest.checkpoint", signed / "public-key"
    assert verdict(tmp_path / "x", kept=kept, key=key) == "PASS"


def test_the_same_log_gives_the_same_bytes_and_later_events_do_not_matter(
    connection: psycopg.Connection[Any],
    ledger: Ledger,
    make_event: MakeEvent,
    signed: Path,
    tmp_path: Path,
) -> None:
    export_log(connection, tmp_path / "x")
    ledger.append([make_event()])
    export_log(connection, tmp_path / "y")
    for file in (tmp_path / "x").iterdir():
        assert (tmp_path / "y" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize(
    ("crime", "where"),
    [
        ("UPDATE ledger.rows SET body = body || '!' WHERE position = 9", "position 9"),
        ("UPDATE ledger.rows SET occurred_at = now() WHERE position = 9", "position 9"),
        ("UPDATE ledger.rows SET recorded_at = 'epoch' WHERE position = 9", "position 9"),
        ("UPDATE ledger.rows SET type = 'other' WHERE position = 9", "position 9"),
        ("UPDATE ledger.rows SET body = NULL WHERE position = 9", "position 9"),
        (
            "UPDATE ledger.rows SET body = NULL, body_digest = sha256(body) WHERE position = 9",
            "PASS",
        ),
        (
            "UPDATE ledger.rows SET body = NULL, body_digest = sha256('x') WHERE position = 9",
            "position 9",
        ),
        (
            "UPDATE ledger.rows SET stream_number = 1, version = 99 WHERE position = 9",
            "position 9",
        ),
        ("UPDATE ledger.streams SET stream = gen_random_uuid() WHERE number = 1", "position 1"),
    ],
)
def test_what_was_changed_in_the_database_is_found_in_the_export(
    connection: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
    tmp_path: Path,
    crime: str,
    where: str,
) -> None:
    intruder.execute(crime.encode())
    export_log(connection, tmp_path / "x")
    assert verdict(tmp_path / "x") == where
    if where == "PASS":
        lines = (tmp_path / "x" / ENTRIES).read_bytes().splitlines()
        assert list(orjson.loads(lines[8])) == ["position", "header", "body_digest", "leaf"]


@pytest.mark.usefixtures("unsigned")
def test_a_log_nobody_signed_is_not_exported(
    connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    with pytest.raises(ExportRefused, match="Nothing has been signed yet"):
        export_log(connection, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_an_export_that_fails_leaves_nothing_behind(
    connection: psycopg.Connection[Any], signed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "x"

    def stop(_written: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_log(connection, out, stop)
    assert list(out.parent.iterdir()) == []


def test_an_export_writes_over_nothing(
    connection: psycopg.Connection[Any], signed: Path, tmp_path: Path
) -> None:
    export_log(connection, tmp_path / "x")
    with pytest.raises(ExportRefused, match="new folder"):
        export_log(connection, tmp_path / "x")
    (tmp_path / "empty").mkdir()
    export_log(connection, tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportRefused, match="new folder"):
        export_log(connection, tmp_path / "file")
    with pytest.raises(ExportRefused, match="cannot be made"):
        export_log(connection, tmp_path / "file" / "x")


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("position", [1, 7, 8, 39, 40])
def test_an_export_that_lacks_events_is_not_made(
    connection: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    position: int,
) -> None:
    monkeypatch.setattr(export, "BATCH", 8)  # the last of a batch is as missing as any
    intruder.execute("DELETE FROM ledger.rows WHERE position = %s", (position,))
    with pytest.raises(ExportRefused, match=f"After position {position - 1} .* over 40 events"):
        export_log(connection, tmp_path / "x")
    assert not list(tmp_path.glob("*x*"))


def test_the_records_of_former_logs_go_with_an_export(
    connection: psycopg.Connection[Any],
    owner: psycopg.Connection[Any],
    signed: Path,
    tmp_path: Path,
) -> None:
    for number in (1, 2):
        told = "INSERT INTO ledger.restorations VALUES (gen_random_uuid(), %s, now())"
        owner.execute(told, (f"record {number}",))
    export_log(connection, tmp_path / "x")
    assert [(tmp_path / "x" / f"restored-from-{each}.note").read_text() for each in (1, 2)] == [
        "record 1",
        "record 2",
    ]
    assert verdict(tmp_path / "x", key=signed / "public-key") == "restored-from-1.note"
