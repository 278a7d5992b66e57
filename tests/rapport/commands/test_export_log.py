"""`rapport export-log`: an export that cannot be made is told and leaves no trace of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from infra.plumbing.ledger.export import ExportRefused
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.settings import load_settings
from rapport.cli import build
from rapport.running.signer import Work
from tests.services.command.audit.desk import bare

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30
SLOWLY = """
from infra.plumbing.ledger import export
from rapport.cli import main
export.BATCH = 1
main()
"""


@pytest.fixture(autouse=True)
def _platform(
    conninfo: str, owner_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RAPPORT_DATABASE_URL", conninfo)
    monkeypatch.setenv("RAPPORT_DATABASE_OWNER_URL", owner_conninfo)
    monkeypatch.setattr("rapport.running.export.SIGNER_SECONDS", 0.1)


def rapport(*words: str) -> Any:
    return CliRunner().invoke(build(), list(words))


def test_an_export_is_recorded_only_if_it_can_be_made(
    conninfo: str, owner_conninfo: str, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter").write_text("mine")
    with Ledger.open(conninfo) as ledger:
        nothing = rapport("export-log", "--out", str(tmp_path / "x")).exception
        assert isinstance(nothing, ExportRefused)
        assert "Nothing has been signed yet" in str(nothing)
        Work(load_settings(), owner_conninfo, Event()).run(once=True)
        taken = rapport("export-log", "--out", str(full)).exception
        assert isinstance(taken, ExportRefused)
        assert "Something lies in" in str(taken)
        assert ledger.size() == 0
        done = rapport("export-log", "--out", str(tmp_path / "x"))
        assert done.exit_code == 0, done.output
        assert [fact.type for fact in ledger.facts_after(0)] == ["log.exported"]


@pytest.fixture
def _long(conninfo: str, owner_conninfo: str) -> None:
    """A signed log whose export takes seconds, line by line."""
    stream = uuid4()
    with Ledger.open(conninfo) as ledger:
        ledger.append([bare(stream) for _ in range(3_000)])
    Work(load_settings(), owner_conninfo, Event()).run(once=True)


def halves(place: Path) -> list[Path]:
    return sorted(place.glob(".x.half-*"))


def exporting(place: Path) -> subprocess.Popen[str]:
    """An export to `x` in a process of its own, once it has begun to write."""
    words = [sys.executable, "-c", SLOWLY, "export-log", "--out", str(place / "x")]
    before = halves(place)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE
    while not [each for each in halves(place) if each not in before and any(each.iterdir())]:
        assert process.poll() is None, process.communicate()
        if time.monotonic() > until:
            process.kill()
            pytest.fail("it never began")
        time.sleep(0.01)
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@pytest.mark.usefixtures("_long")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_export_that_is_asked_to_end_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = exporting(tmp_path)
    os.kill(process.pid, number)
    code, said = ended(process)
    assert code != 0
    assert "Traceback" not in said
    assert (halves(tmp_path), (tmp_path / "x").exists()) == ([], False)


@pytest.mark.usefixtures("_long")
def test_what_a_killed_export_left_behind_is_taken_away_by_the_next(tmp_path: Path) -> None:
    process = exporting(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    [left] = halves(tmp_path)
    others = [tmp_path / ".x.half-mine", tmp_path / ".xx.half-abcd1234", tmp_path / ".x.backup"]
    for other in others:
        other.mkdir()
    done = rapport("export-log", "--out", str(tmp_path / "x"))
    assert done.exit_code == 0, done.output
    assert not left.exists()
    assert all(other.exists() for other in others)


@pytest.mark.usefixtures("_long")
def test_an_export_that_is_at_work_keeps_its_folder_when_another_to_the_same_place_begins(
    tmp_path: Path,
) -> None:
    first = exporting(tmp_path)
    os.kill(first.pid, signal.SIGSTOP)
    [half] = halves(tmp_path)
    assert rapport("export-log", "--out", str(tmp_path / "x")).exit_code == 0
    assert halves(tmp_path) == [half]
    os.kill(first.pid, signal.SIGCONT)
    code, said = ended(first)
    assert (code, halves(tmp_path)) == (1, [])
    assert "Something lies in" in said
