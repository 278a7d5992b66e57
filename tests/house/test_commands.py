"""Every command that stands in a page is run, word for word, against a real platform.

A page is run from top to bottom in one shell, in a folder with a fresh platform on it. Two
things differ from a reader's terminal: the port, and that an answer other than the one the page
names stops the shell. What would take too long here is on a list with the test that covers it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.house.pages import Block, blocks, pages, text_of
from tests.house.promises import is_a_test
from tests.house.source import ROOT
from tests.journeys.conftest import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL_PORT = "http://127.0.0.1:8080"
ELSEWHERE = {
    "make run": (
        "tests/journeys/test_demo.py::test_real_purchases_become_health_wallet_share_and_alerts"
    ),
    "make test": "this is it",
    "rapport up --port 8080 --data-dir .rapport": (
        "tests/journeys/test_one_customer.py"
        "::test_a_complaint_lowers_health_says_why_and_raises_an_alert"
    ),
    "rapport load online-retail": (
        "tests/journeys/test_load_killed.py::test_a_load_killed_and_repeated_is_whole"
    ),
}
"""Commands that are not run here, each with the test that runs it."""
PRELUDE = """
set -euo pipefail
make() { command make -C "$ROOT" --old-file=.venv/.ready "$@"; }
curl() {
    local status
    status=$(command curl --max-time 20 --output answer --write-out '%{http_code}' "$@")
    cat answer; echo
    [[ $status =~ ^$EXPECT$ ]] || { echo "answered $status, not $EXPECT" >&2; return 1; }
}
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
"""


def script(page: str, url: str) -> str:
    """The commands of a page as one script."""
    parts = [PRELUDE]
    for block in blocks(text_of(page)):
        parts.append(f"echo '--- {page}:{block.line}'\nEXPECT='{block.status}'\n")
        parts.append(without_elsewhere(block))
    return "".join(parts).replace(USUAL_PORT, url)


def without_elsewhere(block: Block) -> str:
    lines = block.commands.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() not in ELSEWHERE)


def has_commands(page: str) -> bool:
    return any(without_elsewhere(block).strip() for block in blocks(text_of(page)))


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    programs = Path(sys.executable).parent
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A fresh platform on the folder `.rapport` of the folder in which the pages are run."""
    started = Platform(tmp_path_factory.mktemp("reader") / ".rapport")
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("page", [page for page in pages() if has_commands(page)])
def test_the_commands_of_a_page_do_what_it_says(page: str, platform: Platform) -> None:
    done = run(script(page, platform.url), platform.data_dir.parent)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_what_is_not_run_here_is_run_by_a_test_that_exists() -> None:
    covers = [cover for cover in ELSEWHERE.values() if cover.startswith("tests/")]
    assert [cover for cover in covers if not is_a_test(cover)] == []


def test_what_is_not_run_here_stands_in_a_page() -> None:
    """A command that no page names any more leaves the list."""
    lines = {
        line.strip()
        for page in pages()
        for block in blocks(text_of(page))
        for line in block.commands.splitlines()
    }
    assert lines >= ELSEWHERE.keys()


@pytest.mark.parametrize(
    "target", ["setup", "run", "test", "check", "test-faults", "bench", "format"]
)
def test_every_target_named_in_the_pages_is_there(target: str) -> None:
    command = ["make", "--dry-run", "--old-file=.venv/.ready", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_run_is_the_command_that_its_journey_starts() -> None:
    command = ["make", "--dry-run", "--old-file=.venv/.ready", "run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].endswith("rapport up --demo")


def test_make_alone_prints_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if ".PHONY" in line)
    assert [f"make {name}" for name in phony.split()[1:]] == [
        " ".join(line.split()[:2]) for line in done.stdout.splitlines()
    ]


def test_a_clean_clone_is_checked_by_the_readers_own_commands() -> None:
    assert "make check test\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "commands",
    ["false", "rapport list everything", "curl -s http://127.0.0.1:9/", "make no-such-target"],
)
def test_a_command_that_fails_is_found(commands: str, tmp_path: Path) -> None:
    done = run(f"{PRELUDE}\nEXPECT='2..'\n{commands}\n", tmp_path)
    assert done.returncode != 0


def test_a_block_says_which_answer_it_expects() -> None:
    text = "```sh\none\n```\n\n```json\n{}\n```\n\n```sh expect=422\ntwo\n```\n"
    assert list(blocks(text)) == [Block(1, "one\n", "2.."), Block(9, "two\n", "422")]
