"""Read models are found by their folders, and a folder that is none stops the program."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from services.projections.discovery import find_read_models
from services.projections.errors import BrokenReadModel

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

MODEL = """
from services.projections.read_model import RowsModel

def read_model():
    return RowsModel("{name}", 1, lambda fact: None)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of read models, importable."""
    folder = tmp_path / f"models_of_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return folder


def put(package: Path, folder: str, fold: str, table: str | None = "SELECT 1") -> ModuleType:
    (package / folder).mkdir()
    (package / folder / "__init__.py").touch()
    (package / folder / "fold.py").write_text(fold)
    if table is not None:
        (package / folder / "table.sql").write_text(table)
    sys.modules.pop(package.name, None)
    return import_module(package.name)


def test_every_folder_of_the_house_is_a_read_model() -> None:
    names = [found.model.name for found in find_read_models()]
    assert names == [
        "churn_signals",
        "customer_directory",
        "customer_timeline",
        "purchase_rhythm",
        "relationship_health",
        "wallet_share",
    ]


def test_a_folder_dropped_in_is_found(package: Path) -> None:
    [found] = find_read_models(put(package, "praise", MODEL.format(name="praise")))
    assert (found.model.name, found.table_sql) == ("praise", b"SELECT 1")


@pytest.mark.parametrize(
    ("fold", "table", "words"),
    [
        (MODEL.format(name="other"), "SELECT 1", "Name it as its folder"),
        (MODEL.format(name="praise"), None, r"has no table\.sql"),
        ("def read_model():\n    return 7", "SELECT 1", "gives a int"),
    ],
)
def test_a_folder_that_is_no_read_model_is_refused_with_words(
    package: Path, fold: str, table: str | None, words: str
) -> None:
    with pytest.raises(BrokenReadModel, match=words):
        find_read_models(put(package, "praise", fold, table))


def test_a_folder_without_a_fold_is_not_passed_over(package: Path) -> None:
    (package / "praise").mkdir()
    (package / "praise" / "__init__.py").touch()
    with pytest.raises(ModuleNotFoundError):
        find_read_models(import_module(package.name))
