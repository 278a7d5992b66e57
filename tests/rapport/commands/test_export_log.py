"""`rapport export-log`: an export that cannot be made is told and leaves no trace of one."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from infra.plumbing.ledger.export import ExportRefused
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.settings import load_settings
from rapport.cli import build
from rapport.running.signer import Work

if TYPE_CHECKING:
    from pathlib import Path


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
