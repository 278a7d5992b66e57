"""Every read model equals a fresh fold at its own position, after any crash (promise P5)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import psycopg
import pytest
from psycopg import sql

from infra.plumbing.ledger.ledger import Ledger
from services.projections.discovery import find_read_models
from services.projections.folding import refold
from services.projections.read_model import StateModel
from services.projections.worker import Worker
from tests.services.projections.house import complaint, new_event, purchase

if TYPE_CHECKING:
    from infra.plumbing.ledger.answers import NewEvent

CHILD = Path(__file__).parent / "child.py"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE_SECONDS = 60
SENT_BACK = 0.12
"""Of how many events one is the return of a whole order bought lately."""


def history(events: int, customers: int, seed: int) -> list[NewEvent]:
    """Events of many kinds over two years, a fifth of them arriving late."""
    dice = random.Random(seed)  # noqa: S311 - a repeatable test, not a secret
    people = [UUID(int=dice.getrandbits(128), version=4) for _ in range(customers)]
    days = sorted(dice.uniform(0, 700) for _ in range(events))
    for _ in range(events // 5):
        one = dice.randrange(events)
        days.insert(min(one + dice.randrange(60), events - 1), days.pop(one))
    told: list[NewEvent] = []
    bought: list[NewEvent] = []
    for number, day in enumerate(days):
        at = f"{datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%dT%H:%M:%S}"
        if bought and dice.random() < SENT_BACK:
            told.append(_sent_back(bought.pop(dice.randrange(len(bought))), at, f"e-{number}"))
            continue
        told.append(_event(dice, dice.choice(people), at, f"e-{number}"))
        bought = [*bought, told[-1]][-30:] if told[-1].type == "purchase.completed" else bought
    return told


def _sent_back(order: NewEvent, at: str, name: str) -> NewEvent:
    """The whole order came back."""
    data = orjson.loads(order.body)["data"]
    return new_event(order.stream, "purchase.returned", at, data, event_id=name)


def _event(dice: random.Random, who: UUID, at: str, name: str) -> NewEvent:
    amount = f"{dice.randrange(100, 9000) / 100:.2f}"
    kinds = {
        "complaint.resolved": {"complaint_id": f"k-{dice.randrange(5)}", "outcome": "refunded"},
        "promise.made": {"promise_id": f"p-{dice.randrange(5)}", "due_at": f"{at}Z"},
        "promise.kept": {"promise_id": f"p-{dice.randrange(5)}"},
        "campaign.sent": {"campaign_id": "spring", "channel": "email", "arm": "treated"},
        "outside_purchase.observed": {"category": "gifts", "evidence": "receipt"},
    }
    kind = dice.choice([*kinds, *["purchase.completed"] * 6, "complaint.opened"])
    if kind == "purchase.completed":
        return purchase(who, at, amount, event_id=name)
    if kind == "complaint.opened":
        return complaint(who, at, event_id=name)
    return new_event(who, kind, at, kinds[kind], event_id=name)


def digests(conninfo: str) -> dict[str, str]:
    """A hash of the sorted rows of every read model, of the timers, and the checkpoints."""
    names = [found.model.name for found in find_read_models()]
    with psycopg.connect(conninfo) as connection:
        told = {"checkpoints": str(connection.execute("TABLE read.progress").fetchall())}
        timers = "SELECT model, stream, kind, due_at FROM read.timers AS r ORDER BY 1, 2, 3"
        told["timers"] = _hash(connection.execute(timers).fetchall())
        for name in names:
            rows = sql.SQL("SELECT r::text FROM {} AS r ORDER BY 1").format(
                sql.Identifier("read", name)
            )
            told[name] = _hash(connection.execute(rows).fetchall())
    return told


def _hash(rows: list[Any]) -> str:
    return f"{len(rows)} rows {sha256(repr(rows).encode()).hexdigest()}"


def fold_afresh(conninfo: str, ledger: Ledger, batch: int = 10_000) -> None:
    """Forget every read model and fold the ledger from its first position."""
    with psycopg.connect(conninfo) as connection:
        for found in find_read_models():
            name = sql.Identifier("read", f"{found.model.name}_v{found.model.version}")
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(name))
        for kept in ("checkpoints", "versions", "timers"):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("read", kept)))
    fold_on(conninfo, ledger, batch)


def fold_on(conninfo: str, ledger: Ledger, batch: int) -> None:
    worker = Worker.hire(conninfo, find_read_models(), ledger, Event())
    assert worker is not None
    with worker:
        while facts := ledger.facts_after(worker.position, batch):
            worker.take(facts, NOW)


def test_killed_again_and_again_while_events_come_in_it_equals_a_fresh_fold(conninfo: str) -> None:
    events = history(1200, 40, seed=7)
    with Ledger.open(conninfo) as ledger:
        for begin in range(0, len(events), 400):
            ledger.append(events[begin : begin + 400])
            with subprocess.Popen([sys.executable, CHILD, conninfo], stdout=subprocess.PIPE) as one:
                assert one.stdout is not None
                one.stdout.readline()
                os.kill(one.pid, signal.SIGKILL)
        with subprocess.Popen([sys.executable, CHILD, conninfo], stdout=subprocess.PIPE) as last:
            _wait_until_folded(conninfo, len(events))
            last.send_signal(signal.SIGTERM)
        live = digests(conninfo)
        fold_afresh(conninfo, ledger)
        assert digests(conninfo) == live


def _wait_until_folded(conninfo: str, position: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    pause = Event()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while time.monotonic() < end:
            row = connection.execute("SELECT min(position) FROM read.checkpoints").fetchone()
            if row == (position,):
                return
            pause.wait(0.05)
    pytest.fail("the worker did not catch up")


class Crash(BaseException):
    """The process is gone: nothing after this statement happened."""


def test_a_crash_between_any_two_statements_leaves_rows_and_checkpoint_agreeing(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = psycopg.Cursor.execute
    left = [0]
    crashed_before: set[str] = set()

    def execute(self: Any, query: Any, *given: Any, **named: Any) -> Any:
        if "projections" in self.connection.info.parameter_status("application_name"):
            left[0] -= 1
            if left[0] == 0:
                crashed_before.add(str(query))
                self.connection.close()
                raise Crash
        return whole(self, query, *given, **named)

    events = history(120, 6, seed=3)
    with Ledger.open(conninfo) as ledger:
        ledger.append(events[:60])
        fold_on(conninfo, ledger, batch=25)
        ledger.append(events[60:])
        monkeypatch.setattr(psycopg.Cursor, "execute", execute)
        for statement in range(1, 500):
            left[0] = statement
            try:
                fold_on(conninfo, ledger, batch=60)
            except Crash:
                continue
            break
        else:
            pytest.fail("the worker never got through")
        monkeypatch.undo()
        live = digests(conninfo)
        fold_afresh(conninfo, ledger)
        assert digests(conninfo) == live
    folding = [query for query in crashed_before if "unnest" in query]
    assert len(folding) >= len(find_read_models()) + len(("timers", "checkpoints"))


@pytest.mark.parametrize("batch", [1, 7, 200])
def test_late_arrivals_leave_what_reading_everything_in_order_leaves(
    conninfo: str, batch: int
) -> None:
    events = history(200, 8, seed=batch)
    with Ledger.open(conninfo) as ledger:
        ledger.append(events)
        fold_on(conninfo, ledger, batch)
        models = [one.model for one in find_read_models() if isinstance(one.model, StateModel)]
        with psycopg.connect(conninfo) as connection:
            for model in models:
                query = sql.SQL("SELECT stream, state FROM {}").format(
                    sql.Identifier("read", model.name)
                )
                stored = dict(connection.execute(query).fetchall())
                for stream, facts in ledger.histories(list(stored)).items():
                    assert stored[stream] == model.pack(refold(model, facts)), model.name
