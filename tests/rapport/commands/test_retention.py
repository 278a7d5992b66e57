"""`rapport retention apply`: counts, asks, drops, and is refused to who does not own the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from typer.testing import CliRunner

from events.catalog import catalog
from events.facts import PLATFORM
from events.retention import RETENTION
from infra.plumbing.errors import DatabaseRefused
from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.ledger import Ledger
from rapport.cli import build

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
BODY = b'{"data":{"text":"The parcel never came."}}'


@pytest.fixture(autouse=True)
def _platform(
    conninfo: str, owner_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database with two old complaints, a young one and an old promise."""
    monkeypatch.setenv("RAPPORT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RAPPORT_DATABASE_URL", conninfo)
    monkeypatch.setenv("RAPPORT_DATABASE_OWNER_URL", owner_conninfo)
    told = [
        ("complaint.opened", LONG_AGO),
        ("complaint.opened", LONG_AGO),
        ("complaint.opened", datetime.now(UTC)),
        ("promise.made", LONG_AGO),
    ]
    with Ledger.open(conninfo, connections=1) as ledger:
        ledger.append(
            [
                NewEvent(uuid4(), "shop", f"e-{number}", kind, "1-0-0", at, BODY, bytes(32))
                for number, (kind, at) in enumerate(told)
            ]
        )


def run(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(build(), ["retention", "apply", *words], input=answer)


def left(conninfo: str) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        query = (
            "SELECT body IS NOT NULL FROM ledger.events"
            " WHERE type <> 'retention.applied' ORDER BY position"
        )
        return [there for (there,) in connection.execute(query)]


def test_a_dry_run_says_what_is_past_its_class_and_changes_nothing(conninfo: str) -> None:
    done = run("--dry-run")
    assert done.exit_code == 0, done.output
    assert "conversation  complaint.opened" in done.stdout
    assert "2 bodies are past their retention. Nothing was changed." in done.stdout
    assert left(conninfo) == [True, True, True, True]


def test_it_asks_first_and_takes_no_for_an_answer(conninfo: str) -> None:
    assert run(answer="n\n").exit_code == 1
    assert left(conninfo) == [True, True, True, True]


def test_said_yes_it_drops_what_is_past_its_class_and_once_more_finds_nothing(
    conninfo: str,
) -> None:
    done = run(answer="y\n")
    assert done.exit_code == 0, done.output
    assert "2 bodies were dropped" in done.stdout
    assert left(conninfo) == [False, False, True, True]
    assert "Nothing is past its retention." in run("--yes").stdout


def test_as_json_it_tells_the_same(conninfo: str) -> None:
    done = run("--yes", "--json")
    assert orjson.loads(done.stdout) == {
        "dropped": 2,
        "refused": [],
        "items": [
            {
                "type": "complaint.opened",
                "class": "conversation",
                "events": 2,
                "bytes": 2 * len(BODY),
            }
        ],
    }
    assert left(conninfo) == [False, False, True, True]


def test_a_changed_body_is_named_and_left_and_the_exit_code_shows_it(
    conninfo: str, intruder: psycopg.Connection[Any]
) -> None:
    intruder.execute("UPDATE ledger.rows SET body = 'never said' WHERE position = 2")
    for words, bodies in (("--dry-run", [True] * 4), ("--yes", [False, True, True, True])):
        done = run(words)
        assert done.exit_code == 1
        assert "Not dropped, as the event no longer fits its leaf: 1 (position 2)." in done.stderr
        assert left(conninfo) == bodies
    [data] = told(conninfo)
    assert (data["bodies"], data["first_position"], data["last_position"]) == (1, 1, 1)
    assert orjson.loads(run("--yes", "--json").stdout)["refused"] == [2]
    intruder.execute("UPDATE ledger.rows SET body = %s WHERE position = 2", [BODY])
    assert run("--yes").exit_code == 0
    assert left(conninfo) == [False, False, True, True]


def test_who_does_not_own_the_database_is_told_how(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAPPORT_DATABASE_OWNER_URL")
    done = run("--yes")
    assert isinstance(done.exception, DatabaseRefused)
    assert "RAPPORT_DATABASE_OWNER_URL" in str(done.exception)
    assert left(conninfo) == [True, True, True, True]


def told(conninfo: str) -> list[Any]:
    """What the log says about retention, each event as its language has it."""
    with Ledger.open(conninfo, connections=1) as ledger:
        facts = ledger.history(PLATFORM)
    for fact in facts:
        assert catalog().check(fact.type, fact.schema, fact.data) == []
    return [fact.data for fact in facts]


def test_what_was_dropped_by_whose_order_and_why_is_an_event_of_the_log(
    conninfo: str, owner_conninfo: str
) -> None:
    assert run("--dry-run").exit_code == 0
    assert told(conninfo) == []
    done = run("--yes", "--as", "Ada of the office", "--reason", "yearly run")
    assert done.exit_code == 0, done.output
    [data] = told(conninfo)
    order = "retention, ordered by Ada of the office: yearly run"
    assert (data["order"], data["bodies"]) == (order, 2)
    assert (data["first_position"], data["last_position"]) == (1, 2)
    [each] = data["types"]
    assert (each["type"], each["class"], each["count"]) == ("complaint.opened", "conversation", 2)
    assert each["before"] < "2026-12-01"
    with psycopg.connect(owner_conninfo) as connection:
        rows = connection.execute("SELECT DISTINCT reason, made_by FROM ledger.removals").fetchall()
    assert rows == [(order, "rapport")]
    run("--yes")
    assert len(told(conninfo)) == 1


def test_a_run_that_ended_before_it_could_say_so_is_told_of_by_the_next(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Ledger.append

    def broken_off(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Ledger, "append", broken_off)
    assert isinstance(run("--yes", "--as", "Ada").exception, ZeroDivisionError)
    assert left(conninfo) == [False, False, True, True]
    assert told(conninfo) == []
    monkeypatch.setattr(Ledger, "append", append)
    assert run("--yes", "--as", "Bob").exit_code == 0
    [data] = told(conninfo)
    assert (data["order"], data["bodies"]) == ("retention, ordered by Ada", 2)


def test_the_body_that_says_who_was_erased_is_never_dropped() -> None:
    for kind in catalog().types():
        if kind.type in {"customer.erased", "retention.applied"}:
            assert RETENTION[kind.retention].keep_days is None
