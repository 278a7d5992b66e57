"""What may be logged is a list: log calls use fields on it, and none logs an exception's words.

An exception's text can hold a customer's values (a database repeats the row it refused), so calls
name the exception's class. The event itself is a fixed text: values stand in fields alone.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.telemetry import ALLOWED_FIELDS
from tests.house.source import PRODUCT, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "fatal", "msg", "log"})
BINDERS = frozenset({"bind", "new", "bind_contextvars"})
WITH_WORDS = frozenset({"exception"})
DOOR = "infra/plumbing/telemetry.py"
"""Hands on what libraries log, so its events are theirs; tests/infra/test_telemetry.py holds it."""


def loggers(source: Source) -> set[str]:
    """The names in the file that hold a structlog logger."""
    return {
        target.id
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and "structlog." in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def log_calls(source: Source) -> Iterator[tuple[str, ast.Call]]:
    """(method, call) of every call of a logger."""
    known = loggers(source)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr=method) if name in known:
                yield method, node
            case _:
                pass


def faults(source: Source) -> list[str]:
    """What is wrong with the log calls of the file."""
    found: list[str] = []
    for method, call in log_calls(source):
        place = f"{source.path}:{call.lineno}"
        if method in WITH_WORDS:
            found.append(f"{place} logs an exception's words")
        elif method not in LEVELS | BINDERS:
            found.append(f"{place} calls {method}, which is not known here")
        elif method in LEVELS and not (len(call.args) == 1 and _is_fixed(call.args[0])):
            found.append(f"{place} has no fixed text as its event")
        found.extend(
            f"{place} logs {keyword.arg or '**'}, which is not on the list"
            for keyword in call.keywords
            if keyword.arg not in ALLOWED_FIELDS
        )
    return found


def _is_fixed(event: ast.expr) -> bool:
    match event:
        case ast.Constant(value=str()):
            return True
        case ast.IfExp(body=body, orelse=other):
            return _is_fixed(body) and _is_fixed(other)
        case _:
            return False


def python_logging(source: Source) -> list[str]:
    """Calls that log past structlog."""
    return [
        f"{source.path}:{node.lineno}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS | WITH_WORDS
        and ast.unparse(node.func.value).startswith("logging")
    ]


def planted(call: str) -> Source:
    return Source("a.py", f"import structlog\n_LOG = structlog.get_logger()\n{call}\n")


def rooms() -> list[Source]:
    """Every file of the product but the door itself."""
    return [source for source in sources(PRODUCT) if source.path != DOOR]


def test_every_log_call_uses_fields_on_the_list() -> None:
    assert [fault for source in rooms() for fault in faults(source)] == []


def test_the_log_calls_are_found_at_all() -> None:
    assert len([call for source in rooms() for call in log_calls(source)]) >= 10


def test_nothing_logs_past_structlog() -> None:
    assert [place for source in rooms() for place in python_logging(source)] == []


@pytest.mark.parametrize(
    "call",
    [
        '_LOG.info("stored", email="ada@example.org")',
        '_LOG.warning("stored", **fields)',
        '_LOG.error(f"stored {email}")',
        "_LOG.error(str(error))",
        '_LOG.error("stored %s", email)',
        '_LOG.exception("failed")',
        '_LOG.error("failed", exc_info=True)',
        '_LOG.bind(subject="crm:1")',
        '_LOG.aerror("failed")',
    ],
)
def test_a_call_that_could_tell_of_a_customer_is_found(call: str) -> None:
    assert len(faults(planted(call))) == 1


@pytest.mark.parametrize(
    "call",
    [
        '_LOG.info("stored", position=1)',
        '_LOG.error("away" if gone else "failed", error=type(error).__name__)',
        'other.exception("no logger of ours")',
    ],
)
def test_a_harmless_call_passes(call: str) -> None:
    assert faults(planted(call)) == []


def test_a_call_past_structlog_is_found() -> None:
    text = "import logging\nlogging.getLogger(__name__).error('x')\n"
    assert python_logging(Source("a.py", text)) == ["a.py:2"]
