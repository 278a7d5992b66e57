"""Pure code reaches no door, no clock and no dice: not by itself and not through what it imports.

Pure is what lies in a pure folder, and every module whose docstring says so ("Pure", "Nothing here
does I/O", "Values only"): a claim in a docstring is a promise that is held here.
"""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from tests.house.source import PRODUCT, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PURE_FOLDERS = (
    "events/*",
    "services/projections/scoring/*",
    "services/projections/read_models/*/fold.py",
    "services/projections/read_models/*/cases.py",
    "services/notifier/rules/*",
)
CLAIM = re.compile(r"\bPure\b(?! (?:but|code)\b)|[Nn]othing here does I/O|Values only")
DOORS = frozenset(
    {
        "asyncio",
        "concurrent",
        "eventsourcing",
        "fastapi",
        "httpx2",
        "logging",
        "multiprocessing",
        "os",
        "psycopg",
        "psycopg_pool",
        "pydantic_settings",
        "random",
        "rich",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "standardwebhooks",
        "starlette",
        "structlog",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "typer",
        "urllib.request",
        "uvicorn",
    }
)
CLOCKS = {"datetime": {"now", "utcnow", "today"}, "date": {"today"}}
DICE = frozenset({"uuid.uuid1", "uuid.uuid4", "numpy.random"})
TALKERS = frozenset({"open", "print", "input"})


def is_pure(source: Source) -> bool:
    """Whether the file must be pure: by its folder or by its own words."""
    by_folder = any(fnmatch(source.path, pattern) for pattern in PURE_FOLDERS)
    return by_folder or CLAIM.search(source.docstring) is not None


def own_faults(source: Source) -> list[str]:
    """The doors, clocks and dice that the file itself touches at run time."""
    faults: list[str] = []
    for line, name in source.imports:
        doors = [door for door in DOORS | DICE if name == door or name.startswith(f"{door}.")]
        faults.extend(f"{source.path}:{line} imports {door}" for door in doors)
    for node in source.running:
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if attribute in CLOCKS.get(
                owner, ()
            ):
                faults.append(f"{source.path}:{node.lineno} reads the clock")
            case ast.Attribute(value=ast.Name(id="uuid"), attr="uuid1" | "uuid4"):
                faults.append(f"{source.path}:{node.lineno} throws dice")
            case ast.Name(id=name) if name in TALKERS:
                faults.append(f"{source.path}:{node.lineno} calls {name}()")
            case _:
                pass
    return faults


def imported(source: Source, tree: Mapping[str, Source]) -> set[str]:
    """The modules of `tree` that the file imports at run time."""
    found: set[str] = set()
    for _, name in source.imports:
        if name in tree:
            found.add(name)
        elif name.rpartition(".")[0] in tree:
            found.add(name.rpartition(".")[0])
    return found


def faults_of(start: Source, tree: Mapping[str, Source]) -> list[str]:
    """What is impure in `start` and in everything it imports."""
    seen, waiting, faults = {start.module}, [start], list[str]()
    while waiting:
        source = waiting.pop()
        faults.extend(own_faults(source))
        fresh = imported(source, tree) - seen
        seen |= fresh
        waiting.extend(tree[name] for name in fresh)
    return [
        fault if fault.startswith(start.path) else f"{start.path} -> {fault}" for fault in faults
    ]


def by_module(found: Iterable[Source]) -> dict[str, Source]:
    return {source.module: source for source in found}


def test_pure_code_reaches_no_door() -> None:
    tree = by_module(sources(PRODUCT))
    pure = [source for source in tree.values() if is_pure(source)]
    faults = [fault for source in pure for fault in faults_of(source, tree)]
    assert faults == []


@pytest.mark.parametrize("pattern", PURE_FOLDERS)
def test_every_pure_folder_is_there(pattern: str) -> None:
    assert any(fnmatch(source.path, pattern) for source in sources(PRODUCT))


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "import psycopg.rows",
        "from psycopg import sql",
        "from fastapi import FastAPI",
        "import httpx2",
        "from time import monotonic",
        "import random",
        "from uuid import UUID, uuid4",
        "import uuid\nuuid.uuid4()",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import date\nday = date.today()",
        "def later():\n    import time",
        "words = open('words.txt')",
    ],
)
def test_a_planted_door_clock_or_die_is_found(text: str) -> None:
    planted = Source("events/planted.py", text)
    assert is_pure(planted)
    assert len(faults_of(planted, {})) == 1


def test_a_door_behind_another_module_is_found() -> None:
    near = Source("services/near.py", '"""Sums. Pure."""\nfrom services import far\n')
    far = Source("services/far.py", "from infra.door import ask\n")
    door = Source("infra/door.py", "import socket\n")
    tree = by_module([near, far, door])
    assert faults_of(near, tree) == ["services/near.py -> infra/door.py:1 imports socket"]


def test_types_alone_are_no_door() -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from psycopg import Connection\n"
    )
    assert faults_of(Source("events/typed.py", text), {}) == []


def test_a_time_of_day_and_a_name_made_of_names_are_pure() -> None:
    text = "from datetime import datetime, time\nfrom uuid import UUID, uuid5\n"
    assert faults_of(Source("events/fine.py", text), {}) == []


@pytest.mark.parametrize(
    ("words", "claimed"),
    [
        ("Sums of money. Pure.", True),
        ("Nothing here does I/O.", True),
        ("Values only: no clock.", True),
        ("Pure but for the random nonces.", False),
        ("Pure code never reads a clock; this does.", False),
        ("A door.", False),
    ],
)
def test_a_claim_of_purity_is_recognised(words: str, *, claimed: bool) -> None:
    assert is_pure(Source("infra/words.py", f'"""{words}"""\n')) is claimed
