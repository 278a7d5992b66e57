"""The pages are true: promises name their tests, links lead somewhere, forms are kept."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest

from rapport.running.serve import VERSION
from tests.house.pages import links, pages, text_of
from tests.house.promises import WORDS, is_a_test
from tests.house.source import ROOT

PROMISE = re.compile(r"^\| (P\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED_TEST = re.compile(r"\[`(test_\w+)`\]\((tests/[\w/.]+)\)")
TOUCHED = re.compile(r"`([\w./-]+/[\w./-]*)`")
HEADING = re.compile(r"^## \[(Unreleased|\d+\.\d+\.\d+)\](?: - (\d{4}-\d{2}-\d{2}))?$")
CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
PRAISE = re.compile(
    r"\b(amazing|best-in-class|blazing\w*|cutting-edge|delightful|effortless\w*|elegant|enterprise-grade|"
    r"game-chang\w+|industry-leading|innovative|leverag\w+|lightning|next-gen\w*|powerful|revolution\w+|"
    r"robust|seamless\w*|state-of-the-art|supercharge\w*|unleash\w*|world-class)\b",
    re.IGNORECASE,
)
MOST_DECISION_LINES = 25


def broken_promises(readme: str) -> list[str]:
    """Promises in other words than agreed, given twice, or held by no test that exists."""
    faults: list[str] = []
    given: list[str] = []
    for number, words, tests in PROMISE.findall(readme):
        given.append(number)
        if WORDS.get(number) != words:
            faults.append(f"{number} is given in other words")
        if not NAMED_TEST.search(tests):
            faults.append(f"{number} names no test")
    faults.extend(f"{number} is given twice" for number in set(given) if given.count(number) > 1)
    return [*faults, *missing_tests(readme)]


def missing_tests(page: str) -> list[str]:
    """The tests named in a page that are not there."""
    return [
        f"{path}::{name}"
        for name, path in NAMED_TEST.findall(page)
        if not is_a_test(f"{path}::{name}")
    ]


def test_every_promise_in_the_readme_names_tests_that_exist() -> None:
    readme = text_of("README.md")
    assert len(PROMISE.findall(readme)) > 0
    assert broken_promises(readme) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("| P4 | No reader ever skips anything | [`test_x`](tests/test_x.py) |", "other words"),
        ("| P4 | No reader skips a committed event | trust us |", "names no test"),
        ("| P4 | No reader skips a committed event | [`test_x`](tests/test_x.py) |", "::test_x"),
    ],
)
def test_a_promise_that_does_not_hold_is_found(row: str, fault: str) -> None:
    assert fault in " ".join(broken_promises(f"\n{row}\n"))


def test_a_test_is_looked_for_by_its_name() -> None:
    here = "tests/house/test_pages.py"
    assert is_a_test(f"{here}::test_a_test_is_looked_for_by_its_name")
    assert not is_a_test(f"{here}::test_that_is_not_there")
    assert not is_a_test("tests/house/promises.py::is_a_test")


@pytest.mark.parametrize("page", pages())
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    assert [link for link in links(text_of(page)) if not (folder / link).exists()] == []


def test_a_link_that_leads_nowhere_would_be_found() -> None:
    assert links("[a](b.md) [c](https://c) [d](#e) [f](g.md#h)\n```\n[i](j)\n```\n") == [
        "b.md",
        "g.md",
    ]


def test_every_place_in_the_newcomers_table_exists() -> None:
    rows = [line for line in text_of("CONTRIBUTING.md").splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 8
    for row in rows:
        places = TOUCHED.findall(row)
        assert places, row
        assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_changelog_keeps_its_form() -> None:
    lines = text_of("CHANGELOG.md").splitlines()
    headings = [HEADING.match(line) for line in lines if line.startswith("## ")]
    assert all(headings)
    names = [heading[1] for heading in headings if heading]
    assert names[0] == "Unreleased"
    released = [heading for heading in headings[1:] if heading]
    versions = [tuple(map(int, heading[1].split("."))) for heading in released]
    assert versions == sorted(set(versions), reverse=True)
    assert all(date.fromisoformat(heading[2]) for heading in released)
    kinds = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert set(kinds) <= set(CHANGES)
    assert kinds


def test_the_program_and_its_package_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize("page", pages())
def test_no_page_praises_the_product(page: str) -> None:
    assert PRAISE.findall(text_of(page)) == []


def test_decisions_are_numbered_without_a_hole_and_short() -> None:
    files = sorted((ROOT / "infra" / "decisions").glob("[0-9]*.md"))
    for number, file in enumerate(files, start=1):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert file.name.startswith(f"{number:04d}-")
        assert lines[0].startswith(f"# {number}. ")
        assert len(lines) <= MOST_DECISION_LINES, file.name


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "README.md", "rapport/samples/SOURCE.md"])
def test_the_bundled_data_is_attributed_where_people_look(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert "Chen" in text
    assert "Consumer Financial" in text
