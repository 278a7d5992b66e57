"""Whole programs on one data folder: killed, doubled, attached, under another account."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.postgres.account import Account, may_enter, reachable, server_programs
from infra.plumbing.postgres.database import running_server
from infra.plumbing.postgres.facts import read_facts
from infra.plumbing.postgres.processes import servers_in
from infra.plumbing.postgres.supervisor import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.infra.postgres.conftest import Program

ROOT = os.geteuid() == 0


@pytest.fixture
def ordinary(data_dir: Path) -> list[str]:
    """The words that make a program run as an ordinary user, who owns the data folder's place."""
    if not ROOT:
        return []
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(data_dir.parent, nobody, nobody)
    return ["--account", str(nobody)]


def test_a_killed_program_leaves_a_server_that_the_next_start_replaces(
    data_dir: Path, start: Callable[..., Program]
) -> None:
    first = start()
    assert first.ready()[0] == 1
    first.kill()
    orphans = servers_in(data_dir / "postgres" / "data")
    assert orphans
    left = read_facts(data_dir / "postgres" / "connection.json")
    assert left is not None
    assert Path(left.socket_folder).exists()
    rows, server = start().ready()
    assert rows == 2
    living = servers_in(data_dir / "postgres" / "data")
    assert server in living
    assert not set(orphans) & set(living)
    assert not Path(left.socket_folder).exists()


def test_a_program_killed_while_it_makes_the_database_is_no_hindrance(
    data_dir: Path, start: Callable[..., Program]
) -> None:
    first = start()
    begun = data_dir / "postgres" / "data.new" / "PG_VERSION"
    until = time.monotonic() + 30
    while not begun.exists():
        assert time.monotonic() < until
        time.sleep(0.001)
    first.kill()
    assert start().ready()[0] == 1


def test_a_second_program_is_told_who_holds_the_folder(start: Callable[..., Program]) -> None:
    first = start()
    first.ready()
    said = start().says()
    assert said.startswith("refused DataFolderInUse: ")
    assert f"already in use by process {first.pid} (the test's program)" in said
    assert "RAPPORT_DATA_DIR" in said


def test_a_command_beside_a_program_uses_its_server(start: Callable[..., Program]) -> None:
    first = start()
    first.ready()
    beside = start("--attach")
    assert beside.ready() == (2, 0)
    beside.leave()
    assert start("--attach").ready() == (3, 0)


def test_a_command_beside_a_program_that_is_just_starting_waits_for_it(
    start: Callable[..., Program], data_dir: Path
) -> None:
    first = start()
    until = time.monotonic() + 30
    while not (data_dir / "postgres").exists():
        assert time.monotonic() < until
        time.sleep(0.001)
    rows, server = start("--attach").ready()
    assert server == 0
    assert {rows, first.ready()[0]} == {1, 2}


def test_a_command_alone_starts_the_server_and_a_program_waits_for_it_to_leave(
    data_dir: Path, start: Callable[..., Program]
) -> None:
    brief = start("--attach")
    assert brief.ready()[1] != 0
    after = start()
    brief.leave()
    rows, server = after.ready()
    assert rows == 2
    assert server in servers_in(data_dir / "postgres" / "data")


def test_only_the_server_of_a_program_that_stays_is_leaned_on(data_dir: Path) -> None:
    assert running_server(data_dir) is None
    with EmbeddedPostgres(data_dir, serving=False):
        assert running_server(data_dir) is None
    with EmbeddedPostgres(data_dir, serving=True) as server:
        facts = running_server(data_dir)
        assert facts is not None
        assert facts.conninfo() == server.conninfo


def test_an_ordinary_user_can_run_it(
    data_dir: Path, start: Callable[..., Program], ordinary: list[str]
) -> None:
    rows, server = start(*ordinary).ready()
    assert rows == 1
    owner = Path(f"/proc/{server}").stat().st_uid
    assert owner != 0
    assert (data_dir / "postgres" / "connection.json").stat().st_uid == owner


def test_root_may_use_an_ordinary_users_folder_and_hand_it_back(
    start: Callable[..., Program], ordinary: list[str]
) -> None:
    for rows, account in enumerate((ordinary, [], ordinary), start=1):
        program = start(*account)
        assert program.ready()[0] == rows
        program.leave()


def test_root_starts_the_server_under_the_account_of_its_files(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        uid = Path(f"/proc/{server.pid}").stat().st_uid
        assert uid != 0
        assert uid == (data_dir / "postgres" / "data").stat().st_uid


@pytest.mark.parametrize("place", ["a closed folder", "below a file"])
def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    place: str, start: Callable[..., Program], data_dir: Path, ordinary: list[str]
) -> None:
    if place == "below a file":
        (data_dir.parent / "file").write_text("")
        folder = data_dir.parent / "file" / "data"
    else:
        folder = data_dir
        folder.mkdir(mode=0o500)
    said = start(*ordinary, folder=folder).says()
    assert said.startswith(f"refused DataFolderUnwritable: The data folder {folder} cannot be used")
    assert ("Not a directory" if place == "below a file" else "Permission denied") in said


@pytest.fixture
def closed_package() -> Generator[Path]:
    """A copy of the wheel's package that a stranger cannot enter, and room for another copy."""
    base = Path(tempfile.mkdtemp(prefix="rapport-wheel-"))
    base.chmod(0o755)
    (base / "closed").mkdir(mode=0o700)
    (base / "open").mkdir(mode=0o755)
    shipped = server_programs(None).parents[1]
    for name in (shipped.name, f"{shipped.name}.libs"):
        if shipped.with_name(name).exists():
            shutil.copytree(shipped.with_name(name), base / "closed" / name, symlinks=True)
    try:
        yield base / "closed" / shipped.name
    finally:
        shutil.rmtree(base)


def test_programs_the_account_cannot_enter_are_copied_once(closed_package: Path) -> None:
    stranger = Account(uid=54321, gid=54321)
    base = closed_package.parents[1]
    assert not may_enter(closed_package, stranger)
    copy = reachable(closed_package, stranger, [base / "missing", base / "closed", base / "open"])
    assert copy.is_relative_to(base / "open")
    assert may_enter(copy / "pginstall" / "bin", stranger)
    made = (copy / "pginstall" / "bin" / "postgres").stat().st_ino
    again = reachable(closed_package, stranger, [base / "open"])
    assert (again / "pginstall" / "bin" / "postgres").stat().st_ino == made
