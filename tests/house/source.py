"""The source tree as values, for the tests that hold it to its rules. It judges nothing."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("events", "infra", "services", "rapport")
TESTS = ("tests",)


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the root, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """The name under which it is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def comments(self) -> Iterator[tuple[int, str]]:
        """(line number, comment with its #) of every comment."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    @property
    def running(self) -> Iterator[ast.AST]:
        """Every node that exists at run time: all but what stands under `if TYPE_CHECKING:`."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, ast.If) and _is_for_types_only(node.test):
                waiting.extend(node.orelse)
            else:
                waiting.extend(ast.iter_child_nodes(node))

    @property
    def imports(self) -> Iterator[tuple[int, str]]:
        """(line number, dotted name) of what is imported at run time; a `from` gives each name."""
        return _imports(self.running)

    @property
    def named(self) -> Iterator[str]:
        """The dotted names of all imports, those for types alone too."""
        return (name for _, name in _imports(ast.walk(self.tree)))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _is_for_types_only(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def sources(folders: Sequence[str]) -> list[Source]:
    """Every Python file below `folders`, by path."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return [
        Source(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
        for file in sorted(files)
    ]
