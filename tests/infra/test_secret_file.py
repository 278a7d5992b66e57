"""Key files that others can change are refused, those that others can read are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.plumbing.ledger.kept import SignerKeyOpen, open_seed
from infra.plumbing.vault.master import MasterKeyFile, MasterKeyOpen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPENERS: dict[str, tuple[Callable[..., object], type[Exception]]] = {
    "master": (MasterKeyFile.open, MasterKeyOpen),
    "signer": (open_seed, SignerKeyOpen),
}


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_key_that_others_can_change_is_refused(tmp_path: Path, kind: str, mode: int) -> None:
    opener, refusal = OPENERS[kind]
    path = tmp_path / "a.key"
    opener(path, create=True)
    path.chmod(mode)
    with pytest.raises(refusal, match=f"chmod 600 {path}"):
        opener(path, create=False)


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o444])
def test_a_key_that_others_can_read_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, mode: int
) -> None:
    opener, _ = OPENERS[kind]
    path = tmp_path / "a.key"
    opener(path, create=True)
    assert "chmod" not in capsys.readouterr().err
    path.chmod(mode)
    opener(path, create=False)
    assert f"(mode {mode:04o}). Type: chmod 600 {path}" in capsys.readouterr().err
