"""docs/operator.md has every setting and every role as the program has them, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from infra.plumbing.access import ACTIONS, Role
from infra.plumbing.settings import ENV_PREFIX, Settings
from tests.house.source import PRODUCT, ROOT, sources

PAGE = ROOT / "docs" / "operator.md"
OF_COMMANDS = {"RAPPORT_URL", "RAPPORT_KEY"}
"""Read by the commands that talk to a running platform; they are no settings of one."""
NOT_FOR_PEOPLE = {
    "RAPPORT_CHILD_OF": "a parent tells its child",
    "RAPPORT_LEDGER_CONNINFO": "a name in the eventsourcing library's own environment",
}
VARIABLE = re.compile(rf"\b{ENV_PREFIX}[A-Z][A-Z_]*[A-Z]\b")


def settings_rows() -> list[str]:
    """The table of settings as it must stand: variable, default, the field's own description."""
    return [
        f"| `{ENV_PREFIX}{name.upper()}` | {shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def shown(default: object) -> str:
    return "none" if default is None else f"`{default}`"


def role_rows() -> list[str]:
    """The table of roles as it must stand, both in the order of the program."""
    return [
        f"| {action} | {', '.join(role for role in Role if role in roles)} |"
        for action, roles in ACTIONS.items()
    ]


def rows_below(header: str, text: str) -> list[str]:
    """The rows of the table with this header."""
    lines = text.splitlines()
    start = lines.index(header) + 2
    end = next(index for index in range(start, len(lines)) if not lines[index].startswith("|"))
    return lines[start:end]


def variables_in_the_code() -> set[str]:
    """Every environment variable of ours that stands in the product as a whole text."""
    texts = (
        node.value
        for source in sources(PRODUCT)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if VARIABLE.fullmatch(text)}


def test_every_setting_stands_in_the_page_and_nothing_else_does() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert rows_below("| variable | default | meaning |", text) == settings_rows()


def test_every_action_stands_in_the_page_with_its_roles() -> None:
    assert rows_below("| action | roles |", PAGE.read_text(encoding="utf-8")) == role_rows()


def test_no_page_names_a_variable_that_is_not_there() -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | OF_COMMANDS
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("infra/decisions/*.md")]
    named = {name for page in pages for name in VARIABLE.findall(page.read_text(encoding="utf-8"))}
    assert named <= known


def test_every_variable_the_program_reads_is_a_setting_or_told_apart() -> None:
    settings = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert variables_in_the_code() - settings <= OF_COMMANDS | NOT_FOR_PEOPLE.keys()


def test_a_setting_missing_from_the_page_would_be_told() -> None:
    rows = [row for row in settings_rows() if "RAPPORT_PORT" not in row]
    page = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])
    assert rows_below("| variable | default | meaning |", page + "\n") != settings_rows()


def test_the_default_of_a_setting_is_shown_as_it_is_typed() -> None:
    assert shown(Path(".rapport")) == "`.rapport`"
    assert shown(8080) == "`8080`"
    assert shown(None) == "none"
