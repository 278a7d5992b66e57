"""Nothing grows in the dark: limits on functions and files, and a ratchet that turns one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.house.source import PRODUCT, TESTS, Source, sources

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

MOST_FUNCTION_LINES = 40
MOST_FILE_LINES = 400
LONGEST_FUNCTION_LINES = 39
"""The longest function of the product today. It may only shrink: when it does, lower this."""


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last one; decorators stand above."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def longest(found: Iterable[Source]) -> tuple[int, str]:
    """The length of the longest function, and its place."""
    return max(
        (length(function), f"{source.path}:{function.lineno} {function.name}")
        for source in found
        for function in source.functions
    )


def too_long(found: Iterable[Source]) -> list[str]:
    """The files and functions beyond the limits."""
    faults: list[str] = []
    for source in found:
        if source.lines > MOST_FILE_LINES:
            faults.append(f"{source.path} has {source.lines} lines")
        faults.extend(
            f"{source.path}:{function.lineno} {function.name} has {length(function)} lines"
            for function in source.functions
            if length(function) > MOST_FUNCTION_LINES
        )
    return faults


def function_of(lines: int) -> str:
    return "\n".join(["def long() -> None:", *["    ..."] * (lines - 1)])


def test_no_function_and_no_file_is_beyond_the_limits() -> None:
    assert too_long(sources((*PRODUCT, *TESTS))) == []


def test_the_longest_function_only_shrinks() -> None:
    lines, place = longest(sources(PRODUCT))
    assert lines <= LONGEST_FUNCTION_LINES, f"{place} has {lines} lines: part it"
    assert lines == LONGEST_FUNCTION_LINES, f"{place} has {lines}: lower LONGEST_FUNCTION_LINES"


def test_a_function_one_line_too_long_is_found() -> None:
    at_limit = Source("a.py", function_of(MOST_FUNCTION_LINES))
    beyond = Source("b.py", function_of(MOST_FUNCTION_LINES + 1))
    assert longest([at_limit, beyond]) == (MOST_FUNCTION_LINES + 1, "b.py:1 long")
    assert too_long([at_limit, beyond]) == ["b.py:1 long has 41 lines"]


def test_a_method_and_a_function_in_a_function_count_too() -> None:
    inner = "\n".join(f"    {line}" for line in function_of(41).splitlines())
    assert len(too_long([Source("a.py", f"class A:\n{inner}")])) == 1


def test_a_file_one_line_too_long_is_found() -> None:
    assert too_long([Source("a.py", "#\n" * MOST_FILE_LINES)]) == []
    assert too_long([Source("a.py", "#\n" * (MOST_FILE_LINES + 1))]) == ["a.py has 401 lines"]
