"""A plain line is read as `typer` reads it; whatever is not plain is left to `typer`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from hypothesis import example
from hypothesis import given as supposing
from hypothesis import strategies as st

from rapport.cli import AT_ONCE, build
from rapport.commands.verify import PLAIN
from tests.infra.ledger.forge import KEY, checkpoint_of, history, write_export

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(sys.executable).with_name("rapport")
SLOW = ("typer", "click", "rich", "pydantic", "pydantic_settings", "httpx2", "cryptography")
COMMAND: Any = vars(typer.main.get_command(build()))["commands"]["verify"]
WORDS = ("--checkpoint", "--public-key", "--json", "--help", "--check", "--checkpoint=a", "--", "-")


def read_by_typer(words: Sequence[str]) -> dict[str, Any]:
    with COMMAND.make_context("verify", list(words)) as context:
        return context.params


def run(*words: str | Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    program = [PROGRAM] if code is None else [sys.executable, "-c", code]
    return subprocess.run([*program, *words], capture_output=True, text=True, check=False)


@supposing(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), max_size=7))
@example(["x"])
@example(["--json", "x", "--public-key", "a b", "--checkpoint", "~/ü"])
def test_a_plain_line_means_what_it_means_to_typer(words: list[str]) -> None:
    plain = PLAIN.read(words)
    if plain is not None:
        told = {name: value for name, value in read_by_typer(words).items() if value}
        assert {name: str(value) for name, value in told.items()} == {
            name: "True" if name == "as_json" else str(Path(text)) for name, text in plain.items()
        }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x y",
        "x --help",
        "x --json --json",
        "x --checkpoint",
        "x --checkpoint --json",
        "x --checkpoint a --checkpoint b",
        "x --checkpoint=a",
        "x --check a",
        "-- x",
        "-",
        "--json",
    ],
)
def test_a_line_that_is_not_plain_is_left_to_typer(line: str) -> None:
    assert PLAIN.read(line.split()) is None


def test_empty_and_unprintable_words_are_left_to_typer() -> None:
    assert PLAIN.read([""]) is None
    assert PLAIN.read(["a\udc80"]) is None
    assert PLAIN.read(["x", "--checkpoint", "a\n"]) is None


def test_every_parameter_of_the_command_can_be_given_in_a_plain_line() -> None:
    named = [*PLAIN.places, *PLAIN.options.values(), *PLAIN.flags.values()]
    assert sorted(named) == sorted(parameter.name for parameter in COMMAND.params)
    spelt = {option for parameter in COMMAND.params for option in parameter.opts}
    assert spelt == {*PLAIN.places, *PLAIN.options, *PLAIN.flags}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_done_at_once_imports_nothing_that_takes_long(name: str, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", history(3))
    code = f"""
import sys
from rapport.cli import main
try:
    main()
finally:
    print(sorted(set(sys.modules) & {set(SLOW)}))
"""
    done = run(name, folder, code=code)
    assert done.stdout.splitlines()[-1] == "[]", done
    assert done.returncode == 0


def test_plain_and_other_lines_say_the_same_and_leave_with_the_same_code(tmp_path: Path) -> None:
    folder, key, kept = tmp_path / "x", tmp_path / "key", tmp_path / "kept"
    write_export(folder, history(9))
    key.write_text(f"{KEY}\n")
    for events, code in ((7, 0), (10, 1)):
        kept.write_bytes(checkpoint_of(history(events)))
        for rest in ([], ["--json"]):
            plain = run("verify", folder, "--checkpoint", kept, "--public-key", key, *rest)
            other = run(
                "verify", f"--checkpoint={kept}", f"--public-key={key}", *rest, "--", folder
            )
            assert (plain.returncode, plain.stdout, plain.stderr) == (
                (other.returncode, other.stdout, other.stderr)
            )
            assert plain.returncode == code, plain


def test_who_reads_no_further_is_no_failure_with_a_trace(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "x", history(3))
    reader, writer = os.pipe()
    os.close(reader)
    program = [PROGRAM, "verify", folder]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
