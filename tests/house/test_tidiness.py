"""Every file says what it is for, every silenced rule says why, and nothing is put off unnamed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.house.source import PRODUCT, ROOT, TESTS, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterable

SILENCED = re.compile(r"\b(noqa|pyright: ?ignore|pyright: ?basic|type: ?ignore)\b")
REASON = re.compile(
    r"# (ruff: )?(noqa: [A-Z0-9, ]+|pyright: ignore\[[A-Za-z, ]+\])\s+(-|#) .*[A-Za-z]{2}"
)
"""`# noqa: CODE - why`, the rule always named; the reason may also be a comment of its own."""
PUT_OFF = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
WRITTEN = ("*.py", "*.sql", "*.md", "*.html", "*.css", "*.yaml", "*.toml", "*.sh", "Makefile")
WHERE = ("events", "infra", "services", "rapport", "docs", ".ci")


def silent(found: Iterable[Source]) -> list[str]:
    """The modules that do not say what they are for. An empty `__init__` has nothing to say."""
    return [source.path for source in found if source.text.strip() and not source.docstring]


def unreasoned(found: Iterable[Source]) -> list[str]:
    """The lines that silence a rule without naming it or without saying why."""
    return [
        f"{source.path}:{line} {comment}"
        for source in found
        for line, comment in source.comments
        if SILENCED.search(comment) and not REASON.match(comment)
    ]


def put_off(path: str, text: str) -> list[str]:
    """The lines that put something off without the number of an issue."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{path}:{number}" for number, line in lines if PUT_OFF.search(line)]


def test_every_module_says_what_it_is_for() -> None:
    assert silent(sources((*PRODUCT, *TESTS))) == []


def test_every_silenced_rule_has_its_name_and_a_reason() -> None:
    assert unreasoned(sources((*PRODUCT, *TESTS))) == []


def test_nothing_is_put_off_without_an_issue() -> None:
    below = [file for pattern in WRITTEN for part in WHERE for file in (ROOT / part).rglob(pattern)]
    files = [*below, *(file for pattern in WRITTEN for file in ROOT.glob(pattern))]
    assert {file.suffix for file in files} >= {".py", ".sql", ".md", ".html", ".css", ".yaml"}
    faults = [
        fault
        for file in files
        for fault in put_off(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    ]
    assert faults == []


def test_a_module_without_a_purpose_is_found() -> None:
    fine = [Source("a/__init__.py", ""), Source("b.py", '"""B."""')]
    assert silent([*fine, Source("c.py", "import os")]) == ["c.py"]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: S105",
        "# noqa: S105 - ",
        "# noqa - a reason without a rule",
        "# type: ignore",
        "# type: ignore[attr-defined] - use pyright's own",
        "# pyright: ignore - which?",
        "# pyright: ignore[reportPrivateUsage]",
        "# ruff: noqa: ARG002",
        "# pyright: basic",
    ],
)
def test_a_silenced_rule_without_a_reason_is_found(comment: str) -> None:
    assert unreasoned([Source("a.py", f"x = 1  {comment}\n")]) == [f"a.py:1 {comment}"]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S105 - a canary, not a password",
        "# noqa: DTZ001  # hypothesis asks for naive limits",
        "# noqa: PLR0913, FBT001 - FastAPI passes them by name",
        "# pyright: ignore[reportPrivateUsage] - the point of the test",
        "# ruff: noqa: ARG002 - a fake has its door's parameters",
    ],
)
def test_a_silenced_rule_with_a_reason_passes(comment: str) -> None:
    assert unreasoned([Source("a.py", f"x = 1  {comment}\n")]) == []


def test_a_silencing_word_inside_a_text_is_no_comment() -> None:
    assert unreasoned([Source("a.py", 'words = "# noqa"\n')]) == []


@pytest.mark.parametrize("line", ["# TODO: later", "-- FIXME", "<!-- XXX -->", "TODO(ada): x"])
def test_something_put_off_is_found(line: str) -> None:
    assert put_off("a", f"\n{line}\n") == ["a:2"]


def test_something_put_off_with_its_issue_passes() -> None:
    assert put_off("a", "# TODO(#12): when the server has it") == []
