"""Only a PostgreSQL process that works in the very folder is ours to end."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.errors import ServerNotStarted
from infra.plumbing.postgres import processes
from infra.plumbing.postgres.processes import end_orphans, read_lsof, servers_in

if TYPE_CHECKING:
    from collections.abc import Generator

SLEEP = shutil.which("sleep") or "/bin/sleep"
SHELL = shutil.which("sh") or "/bin/sh"


@contextmanager
def running(program: str, folder: Path, *words: str) -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([program, *words], cwd=folder, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def so_called_postgres(tmp_path: Path) -> str:
    """A program that is called postgres and does nothing."""
    copy = tmp_path / "bin" / "postgres"
    copy.parent.mkdir()
    shutil.copy(SLEEP, copy)
    return str(copy)


def test_a_stranger_working_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    with running(SLEEP, tmp_path, "60") as stranger:
        assert servers_in(tmp_path) == []
        assert end_orphans(tmp_path) == 0
        assert stranger.poll() is None


def test_a_postgres_working_elsewhere_is_left_alone(
    tmp_path: Path, so_called_postgres: str
) -> None:
    with running(so_called_postgres, Path(so_called_postgres).parent, "60") as elsewhere:
        assert end_orphans(tmp_path) == 0
        assert elsewhere.poll() is None


def test_a_postgres_working_in_the_folder_is_found_and_ended(
    tmp_path: Path, so_called_postgres: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with running(so_called_postgres, data, "60") as orphan:
        assert servers_in(data) == [orphan.pid]
        # Only its parent, this test, can bury it; an orphan's new parent does that at once.
        assert end_orphans(data) == 1
        assert orphan.wait(10) != 0
    assert servers_in(data) == []


def test_a_program_replaced_by_a_newer_one_is_still_known(
    tmp_path: Path, so_called_postgres: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with running(so_called_postgres, data, "60") as orphan:
        Path(so_called_postgres).unlink()
        assert servers_in(data) == [orphan.pid]


def test_one_that_does_not_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    deaf = tmp_path / "postgres"
    shutil.copy(SHELL, deaf)
    monkeypatch.setattr(processes, "PATIENCE", [(how, 0.05) for how, _ in processes.PATIENCE])
    script = "trap '' INT QUIT; echo deaf; while :; do :; done"
    with running(str(deaf), data, "-c", script) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline() == b"deaf\n"
        with pytest.raises(ServerNotStarted, match=rf"process {orphan.pid}\)"):
            end_orphans(data)


def test_a_folder_that_is_not_there_has_no_servers(tmp_path: Path) -> None:
    assert servers_in(tmp_path / "missing") == []


def test_the_listing_of_lsof_is_read_by_folder() -> None:
    listing = "p101\nfcwd\nn/data/one\np102\nfcwd\nn/data/two\np103\nfcwd\nn/data/one\n"
    assert read_lsof(listing, Path("/data/one")) == [101, 103]
    assert read_lsof(listing, Path("/data")) == []
    assert read_lsof("", Path("/data/one")) == []
