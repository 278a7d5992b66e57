"""Which read models are there? Walks the folders of `read_models/`; no list is edited.

A folder without a fold, a table or the right name stops the program at start: nothing is caught.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from inspect import signature
from pkgutil import iter_modules
from typing import TYPE_CHECKING, cast

from events.catalog import catalog
from services.projections import read_models
from services.projections.errors import BrokenReadModel
from services.projections.read_model import RowsModel, StateModel

if TYPE_CHECKING:
    from types import ModuleType

    from events.catalog import Catalog
    from services.projections.read_model import ReadModel


@dataclass(frozen=True, slots=True)
class Found:
    """A read model and the SQL that makes its table."""

    model: ReadModel
    table_sql: bytes


def find_read_models(
    package: ModuleType = read_models, language: Catalog | None = None
) -> tuple[Found, ...]:
    """Every read model under `package`, by name.

    A fold that speaks asks for `language` as a parameter of its `read_model`; None gives it the
    built-in catalog.

    Raises:
        BrokenReadModel: a folder has no table.sql, or its fold offers something else.
    """
    names = sorted(found.name for found in iter_modules(package.__path__) if found.ispkg)
    known = language or catalog()
    return tuple(_find(f"{package.__name__}.{name}", name, known) for name in names)


def _find(folder: str, name: str, language: Catalog) -> Found:
    make = import_module(f"{folder}.fold").read_model
    speaks = "language" in signature(make).parameters
    model: ReadModel | object = make(language=language) if speaks else make()
    if not isinstance(model, StateModel | RowsModel):
        raise BrokenReadModel(
            f"{folder}.fold.read_model() gives a {type(model).__name__}. "
            "Return a StateModel or a RowsModel."
        )
    if model.name != name:
        raise BrokenReadModel(f"{folder} calls itself {model.name!r}. Name it as its folder.")
    table = files(folder) / "table.sql"
    if not table.is_file():
        raise BrokenReadModel(f"{folder} has no table.sql. Write one that makes its table.")
    return Found(cast("ReadModel", model), table.read_bytes())
