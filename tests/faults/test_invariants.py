"""Each invariant finds what it is there to find: faults are planted, one at a time.

One quiet run of the real program makes the evidence; each fault is planted in a copy of its
database, or in what the outsiders hold.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.plumbing.postgres.facts import DATABASE
from infra.plumbing.postgres.supervisor import EmbeddedPostgres
from tests.faults.invariants import INVARIANTS, violations
from tests.faults.program import Program
from tests.faults.reaper import Recovery, Sample
from tests.faults.record import Fate, Receipt, Record, Told
from tests.faults.storm import SOURCES, storm
from tests.intrusion import switch_off_defences

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from psycopg.abc import Query

    from tests.faults.evidence import Evidence


SEED = 12
EVENTS = 300
SECONDS = 90.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """What a run without faults leaves behind."""
    program = Program(tmp_path_factory.mktemp("quiet") / "data")
    with storm(program, SEED) as quiet:

        def wait(_: object) -> float:
            quiet.record.wait_for(EVENTS, SECONDS)
            told = quiet.record
            assert all((told.complaints, told.early, told.farewells)), "other dice are needed"
            quiet.reaper.sample()
            return 0.0

        quiet.rage(wait, lambda: program.url)
        program.end()
    with EmbeddedPostgres(program.data_dir, what="pytest") as server:
        evidence = quiet.evidence(server.superuser_conninfo(DATABASE))
        yield replace(evidence, caught_up_seconds=0.0)


@contextmanager
def copy_of(whole: Evidence) -> Generator[Evidence]:
    """The same evidence over a copy of its database whose ledger does not defend itself."""
    name = f"planted_{uuid4().hex}"
    admin = make_conninfo(whole.superuser, dbname="postgres")
    origin = str(conninfo_to_dict(whole.superuser)["dbname"])
    made, gone = sql.SQL("CREATE DATABASE {} TEMPLATE {}"), sql.SQL("DROP DATABASE {} WITH (FORCE)")
    _run(admin, made.format(sql.Identifier(name), sql.Identifier(origin)))
    try:
        conninfo = make_conninfo(whole.superuser, dbname=name)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            switch_off_defences(connection, "read.checkpoints")
        yield replace(whole, superuser=conninfo)
    finally:
        _run(admin, gone.format(sql.Identifier(name)))


def _run(conninfo: str, statement: Query) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        assert connection.execute(statement).rowcount != 0, "nothing was planted"


def test_a_run_without_faults_breaks_no_invariant(whole: Evidence) -> None:
    assert violations(whole) == []
    assert whole.rows
    assert whole.received
    assert {row.source for row in whole.rows} >= {*SOURCES, "rapport/signals"}
    assert whole.erased


@dataclass(frozen=True)
class Plant:
    """A fault in the database, and the invariant and words that must name it."""

    invariant: str
    statement: str
    words: str


EVENT = """position = (
    SELECT max(position) FROM ledger.events WHERE source = 'shop'
    AND stream NOT IN (SELECT stream FROM vault.fences))"""
LAST = "position = (SELECT size FROM ledger.head)"
PLANTS = [
    Plant("I1", f"DELETE FROM ledger.rows WHERE {EVENT}", "is stored 0 times"),
    Plant("I1", f"UPDATE ledger.rows SET position = position + 9999 WHERE {EVENT}", "otherwise"),
    Plant("I1", f"UPDATE ledger.rows SET leaf = sha256('x') WHERE {EVENT}", "otherwise"),
    Plant("I1", f"UPDATE ledger.rows SET body = NULL WHERE {EVENT}", "other content"),
    Plant("I2", f"UPDATE ledger.rows SET event_id = 'x' WHERE {EVENT}", "was never sent"),
    Plant("I2", "DELETE FROM outbox.proposals", "was never proposed"),
    Plant("I3", f"UPDATE ledger.rows SET version = version + 1 WHERE {EVENT}", "the versions"),
    Plant("I4", "DELETE FROM ledger.rows WHERE position = 7", "position 7 is missing"),
    Plant("I4", "DELETE FROM ledger.rows WHERE position = (SELECT size FROM ledger.head)", "head"),
    Plant("I4", f"UPDATE ledger.rows SET type = 'x' WHERE {EVENT}", "does not hash to its leaf"),
    Plant("I4", f"UPDATE ledger.rows SET key_id = '' WHERE {EVENT}", "does not hash to its leaf"),
    Plant("I4", f"UPDATE ledger.rows SET body = 'x' WHERE {EVENT}", "does not hash to its leaf"),
    Plant(
        "I4",
        f"UPDATE ledger.rows SET recorded_at = 'epoch' WHERE {EVENT}",
        "before the one in front",
    ),
    Plant("I4", "UPDATE ledger.head SET frontier = overlay(frontier placing 'x' from 1)", "front"),
    Plant("I5", "UPDATE read.relationship_health_v1 SET state = 'x'", "relationship_health"),
    Plant("I5", "DELETE FROM read.customer_timeline_v1 WHERE position = 9", "customer_timeline"),
    Plant("I5", "DELETE FROM read.timers", "read.timers"),
    Plant(
        "I5",
        "UPDATE read.checkpoints SET position = position - 1 WHERE name LIKE 'customer_timeline%'",
        "customer_timeline",
    ),
    Plant("I6", "UPDATE read.checkpoints SET position = position + 1", "where the ledger ended"),
    Plant("I6", "UPDATE notifier.checkpoints SET position = position - 9", "and then at"),
    Plant("I7", "DELETE FROM ledger.rows WHERE type = 'churn_signal.raised'", "raised 0 signals"),
    Plant("I8", "DELETE FROM ops.quarantine", "answered quarantined and is not there"),
    Plant("I8", "INSERT INTO notifier.stumbles VALUES (1, 'r', 'why')", "stumbled at 1: why"),
    Plant("I8", "INSERT INTO ops.refused_proposals VALUES ('p', 'why')", "p was refused: why"),
    Plant(
        "I8",
        "UPDATE notifier.deliveries SET status = 'dead', last_error = 'why', ended_at = now()",
        "was given up: why",
    ),
    Plant("I10", f"UPDATE ledger.rows SET type = 'customer.erased' WHERE {EVENT}", "vault.keys"),
    Plant("I10", f"UPDATE ledger.rows SET type = 'customer.erased' WHERE {EVENT}", "no fence"),
    Plant("I10", f"UPDATE ledger.rows SET type = 'customer.erased' WHERE {EVENT}", "be read"),
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.invariant}-{plant.words}")
def test_a_fault_in_the_database_is_named(whole: Evidence, plant: Plant) -> None:
    with copy_of(whole) as planted:
        _run(planted.superuser, plant.statement.encode())
        found = violations(planted, [plant.invariant])
    assert any(plant.words in words for words in found), found


def _other_leaf(whole: Evidence) -> Evidence:
    key, receipt = next(iter(whole.record.receipts.items()))
    forged = Receipt(receipt.customer, receipt.position, bytes(32))
    return _recorded(whole, receipts={**whole.record.receipts, key: forged})


def _other_order(whole: Evidence) -> Evidence:
    emitter, keys = next(iter(whole.record.orders.items()))
    return _recorded(whole, orders={emitter: keys[::-1]})


def _other_content(whole: Evidence) -> Evidence:
    key = next(iter(whole.record.receipts.keys() - whole.record.farewells))
    event = {**whole.record.sent[key], "time": "2000-01-01"}
    return _recorded(whole, sent={**whole.record.sent, key: event})


def _never_sent(whole: Evidence) -> Evidence:
    key = next(iter(whole.record.receipts))
    return _recorded(whole, sent={k: v for k, v in whole.record.sent.items() if k != key})


def _set_aside(whole: Evidence) -> Evidence:
    return _recorded(whole, early={*whole.record.early, next(iter(whole.record.receipts))})


def _recorded(whole: Evidence, **changes: Any) -> Evidence:
    return replace(whole, record=replace(whole.record, **changes))


def _received(whole: Evidence, **changes: Any) -> Evidence:
    first, *others = whole.received
    return replace(whole, received=[first, *others, replace(first, **changes)])


def _renamed(whole: Evidence) -> Evidence:
    return _received(whole, headers={**whole.received[0].headers, "webhook-id": str(uuid4())})


OUTSIDE: list[tuple[str, Callable[[Evidence], Evidence], str]] = [
    ("I1", _other_leaf, "says otherwise"),
    ("I1", _other_content, "other content than was sent"),
    ("I2", _other_content, "content that was never sent"),
    ("I2", _never_sent, "was never sent"),
    ("I2", _set_aside, "was set aside and is stored"),
    ("I3", _other_order, "acknowledged"),
    ("I6", lambda w: replace(w, samples=[Sample("r", 5, 9), Sample("r", 4, 9)]), "then at 4"),
    ("I6", lambda w: replace(w, samples=[Sample("r", 5, 4)]), "where the ledger ended at 4"),
    ("I10", lambda w: _recorded(w, erasures={str(uuid4())}), "was to be erased and is not"),
    ("I7", lambda w: replace(w, received=w.received[1:]), "never came"),
    ("I7", lambda w: _received(w, body=b"{}"), "in 2 forms"),
    ("I7", lambda w: _received(w, body=b"{}"), "wrong signature"),
    ("I7", _renamed, "nobody raised it"),
    ("I11", lambda w: replace(w, recoveries=[Recovery("x", 30.1)]), "no event was taken"),
    ("I11", lambda w: replace(w, caught_up_seconds=30.1), "caught up 30.1 s after"),
]


@pytest.mark.parametrize(("invariant", "plant", "words"), OUTSIDE)
def test_a_fault_in_what_outsiders_hold_is_named(
    whole: Evidence, invariant: str, plant: Callable[[Evidence], Evidence], words: str
) -> None:
    found = violations(plant(whole), [invariant])
    assert any(words in each for each in found), found


def test_a_checkpoint_of_another_log_is_named(whole: Evidence, tmp_path: Path) -> None:
    root = base64.b64encode(bytes(32)).decode()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "forged.checkpoint").write_text(f"rapport/x\n5\n{root}\n\n— x y\n")
    (tmp_path / "checkpoints" / "beyond.checkpoint").write_text(
        f"rapport/x\n999999\n{root}\n\n— x y\n"
    )
    found = violations(replace(whole, folder=tmp_path), ["I4"])
    assert "I4 forged.checkpoint signs another root at size 5" in found
    assert "I4 beyond.checkpoint signs size 999999, which is not there" in found


WRITTEN: list[Callable[[str], bytes]] = [
    lambda canary: canary.encode(),
    lambda canary: canary.encode().hex().encode(),
    lambda canary: canary.encode("utf-16"),
    lambda canary: base64.b64encode(canary.encode() + b"yz"),
    lambda canary: base64.b64encode(b"x" + canary.encode() + b"yz"),
    lambda canary: base64.b64encode(b"xx" + canary.encode() + b"yz"),
]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_personal_value_in_a_log_is_named_in_any_form(
    whole: Evidence, tmp_path: Path, written: Callable[[str], bytes]
) -> None:
    log = tmp_path / "program.log"
    log.write_bytes(b'{"event": "' + written(whole.canary) + b'"}')
    [found] = violations(replace(whole, logs=[log], folder=None), ["I12"])
    assert found.startswith("I12 program.log holds a personal value")


@pytest.mark.parametrize(
    ("fate", "result", "words"),
    [
        (Fate.STORED, {"status": "500 internal"}, "was answered 500 internal, not stored"),
        (Fate.FORGED, {"status": "stored"}, "was answered stored, not conflict"),
        (Fate.EARLY, {"status": "stored"}, "was answered stored, not quarantined"),
        (Fate.REPEATED, {"status": "stored", "position": 1}, "is stored again"),
        (Fate.REPEATED, {"status": "duplicate", "position": 2}, "has two receipts"),
    ],
)
def test_an_odd_answer_is_noted(fate: Fate, result: dict[str, Any], words: str) -> None:
    record, event = Record(), {"source": "shop", "id": "e-1"}
    whose = {"customer": "c", "leaf": base64.b64encode(bytes(32)).decode()}
    record.answered("shop", Told(event), {**whose, "status": "stored", "position": 1})
    assert record.odd == []
    record.answered("shop", Told(event, fate), {**whose, **result})
    assert [words in each for each in record.odd] == [True]


def test_every_invariant_has_a_planted_fault() -> None:
    planted = {plant.invariant for plant in PLANTS} | {invariant for invariant, _, _ in OUTSIDE}
    assert {*planted, "I12"} == INVARIANTS.keys()
