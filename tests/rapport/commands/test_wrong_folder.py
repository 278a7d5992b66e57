"""A mistyped data folder is told as such: nothing is made there, and nothing is reported fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from rapport.cli import build
from rapport.errors import NoPlatform

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    "export-log --out {tmp}/out",
    "keys list",
    "new-log --reason mistyped",
    "rebuild-tiles",
    "retention apply --dry-run",
    "signer --once",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_not_there_is_told_and_stays_away(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAPPORT_DATABASE_URL", raising=False)
    wrong = tmp_path / "mistyped"
    words = [*command.format(tmp=tmp_path).split(), "--data-dir", str(wrong)]
    told = CliRunner().invoke(build(), words)
    assert isinstance(told.exception, NoPlatform)
    assert str(told.exception) == f"There is no platform in the folder {wrong}: check its name."
    assert list(tmp_path.iterdir()) == []
