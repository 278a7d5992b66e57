"""An erasure goes on behind its last step after any kill, and no append slips past its fence."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from services.command.privacy.steps import _ERASE  # pyright: ignore[reportPrivateUsage] - as many
from tests.services.command.house import BATCH, complaint
from tests.services.command.privacy.office import ADA, about_ada
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.command.privacy.office import Office

CHILD = Path(__file__).with_name("child.py")
ROOT = CHILD.parents[4]
SEED = 11
KILLS = 6
PEOPLE = 30
LAST = len(_ERASE)
WHENS = ("within", "after")


class Offices:
    """Starts offices in other processes and sees them die."""

    def __init__(self, conninfo: str, master_key: Path) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "error", str(CHILD), conninfo, str(master_key)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.logs = ""
        assert self.says() == "ready"

    def says(self) -> str:
        """The next line that is no log."""
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            if "privacy_step" not in line and line.strip():
                return line.strip()
            self.logs += line
        raise AssertionError("the parent of the offices ended")

    def start(self, step: int = 0, when: str = "never") -> int:
        """Start an office; answers its pid."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{step} {when}\n")
        self._parent.stdin.flush()
        return int(self.says())

    def killed(self) -> None:
        """Wait for the office's end, which must be by SIGKILL."""
        assert int(self.says()) == -signal.SIGKILL

    def close(self) -> None:
        self._parent.communicate(timeout=30)
        assert self._parent.returncode == 0


@pytest.fixture
def offices(vault_conninfo: str, tmp_path: Path, office: Office) -> Iterator[Offices]:
    # The office has made the key.
    opened = Offices(vault_conninfo, tmp_path / "master.key")
    yield opened
    opened.close()


def finish(office: Office) -> None:
    """Do all that is open; what a killed program held is free once the server has noticed."""

    def nothing_open() -> bool:
        office.work()
        query = b"SELECT count(*) FROM ops.privacy_requests WHERE done_at IS NULL"
        return office.house.rows(query) == [(0,)]

    wait_until(nothing_open)


@pytest.mark.faults
def test_killed_in_or_behind_any_step_an_erasure_goes_on(office: Office, offices: Offices) -> None:
    for step, when in [(step, when) for step in range(1, LAST + 1) for when in WHENS]:
        ref = f"email:canary-{step}-{when}@example.org"
        stream = office.house.post(complaint(id=ref.replace("@", "."), subject=ref)).json()
        told = office.ask("erase", ref).json()
        offices.start(step, when)
        offices.killed()
        done = f"SELECT count(*) FROM ops.privacy_steps WHERE request = '{told['id']}'"
        assert office.house.rows(done.encode()) == [(step if when == "after" else step - 1,)]

        finish(office)
        certificate = office.get(f"/v1/privacy/requests/{told['id']}").json()["certificate"]
        assert {each["store"]: each["count"] for each in certificate["stores"]} == {
            "vault.fences": 1,
            "vault.keys": 1,
            "vault.identifiers": 1,
            "vault.suppressed": 1,
            "withheld in ops.quarantine": 0,
            "ledger.events.content_mac": 1,
            "ops.quarantine": 0,
            "outbox.proposals": 0,
            "ledger.events": 1,
            "files": 0,
        }
        types = [fact.type for fact in office.house.ledger.history(UUID(stream["customer"]))]
        assert types == ["complaint.opened", "customer.erased"]
        assert (office.count("vault.keys"), office.count("vault.identifiers")) == (0, 0)
    assert offices.logs
    assert "canary" not in offices.logs


@pytest.mark.faults
def test_killed_again_and_again_every_erasure_ends_once(office: Office, offices: Offices) -> None:
    refs = [f"crm:{number}" for number in range(PEOPLE)]
    office.house.post([complaint(id=ref, subject=ref) for ref in refs], BATCH)
    for ref in refs:
        office.ask("erase", ref)
    dice = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    print(f"seed {SEED}")  # noqa: T201 - shown with a failure
    for _ in range(KILLS):
        wanted = office.count("ops.privacy_steps") + dice.randrange(1, 20)
        pid = offices.start()
        wait_until(lambda wanted=wanted: office.count("ops.privacy_steps") >= wanted)
        os.kill(pid, signal.SIGKILL)
        offices.killed()
    assert 0 < office.count("ops.privacy_steps") < PEOPLE * LAST
    finish(office)

    facts = office.house.ledger.facts_after(0)
    erased = [fact.stream for fact in facts if fact.type == "customer.erased"]
    assert len(set(erased)) == len(erased) == PEOPLE
    assert office.count("ops.privacy_steps") == PEOPLE * LAST
    assert (office.count("vault.keys"), office.count("vault.identifiers")) == (0, 0)
    assert office.house.rows(
        b"SELECT count(*) FROM ops.privacy_requests WHERE certificate IS NULL"
    ) == [(0,)]


@pytest.mark.faults
def test_events_racing_an_erasure_are_before_it_or_set_aside(office: Office) -> None:
    """Four writers send Ada's events without pause while she is erased."""
    house = office.house
    house.post(about_ada("first"))
    erased = Event()

    def write(writer: int) -> list[tuple[str, str]]:
        answered: list[tuple[str, str]] = []
        after = 0
        while after < 3:
            after += erased.is_set()
            batch = [about_ada(f"{writer}-{len(answered) + n}") for n in range(3)]
            results = house.post(batch, BATCH).json()["results"]
            answered += [(each["id"], each["status"]) for each in results]
        return answered

    with ThreadPoolExecutor(4) as writers:
        busy = [writers.submit(write, writer) for writer in range(4)]
        try:
            wait_until(lambda: house.ledger.size() > 20)
            told = office.done("erase", ADA)
        finally:
            erased.set()
        answered = [pair for writer in busy for pair in writer.result(60)]

    facts = house.ledger.facts_after(0)
    assert facts[-1].type == "customer.erased"
    assert facts[-1].position == told["certificate"]["position"] == house.ledger.size()
    recorded = {fact.event_id for fact in facts[:-1]}
    assert recorded == {"first"} | {name for name, status in answered if status == "stored"}
    set_aside = {name for name, status in answered if status == "quarantined"}
    kept = {name for (name,) in house.rows(b"SELECT event_id FROM ops.quarantine")}
    assert kept == set_aside
    assert set_aside
    assert {status for _, status in answered} <= {"stored", "quarantined", "rejected"}
    assert office.count("vault.identifiers") == 0
    assert {fact.stream for fact in facts} == {facts[0].stream}
