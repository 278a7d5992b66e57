"""Arrows point one way, rapport -> services -> infra -> events; no room leans on its neighbour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import events
import rapport
from tests.house.source import PRODUCT, ROOT, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

READ_MODELS = "services/projections/read_models/"
LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)
NEEDED = (*PRODUCT, *(f"services/{name}" for name in ("command", "projections", "notifier")))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages in `folder` under the contracts of its pyproject.toml."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def planted(folder: Path, module: str, text: str) -> subprocess.CompletedProcess[str]:
    """Lint a tree of empty packages in which one module holds `text`."""
    for package in NEEDED:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / module).write_text(text)
    return lint_imports(folder)


def leaning(found: Iterable[Source]) -> list[str]:
    """The imports by which one read model leans on another, whether for types or at run time."""
    package = READ_MODELS.replace("/", ".")
    faults: list[str] = []
    for source in found:
        if source.path.startswith(READ_MODELS):
            own = source.module.removeprefix(package).partition(".")[0]
            named = (name for name in source.named if name.startswith(package))
            others = {name.removeprefix(package).partition(".")[0] for name in named} - {own}
            faults.extend(f"{source.path} leans on {other}" for other in sorted(others))
    return faults


def test_every_arrow_of_the_tree_is_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_lower_layer_that_looks_up_is_found(tmp_path: Path) -> None:
    done = planted(tmp_path, "infra/planted.py", "import services.command\n")
    assert done.returncode == 1
    assert "infra.planted -> services.command" in done.stdout


def test_a_service_that_looks_at_another_is_found(tmp_path: Path) -> None:
    text = "from services import notifier\n"
    done = planted(tmp_path, "services/command/planted.py", text)
    assert done.returncode == 1
    assert "services.command.planted -> services.notifier" in done.stdout


def test_a_tree_without_a_fault_passes_the_same_contracts(tmp_path: Path) -> None:
    done = planted(tmp_path, "services/command/fine.py", "import infra\nimport events\n")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_read_model_leans_on_another() -> None:
    assert leaning(sources(PRODUCT)) == []


def test_a_read_model_that_leans_on_another_is_found() -> None:
    text = "from services.projections.read_models.wallet_share.fold import read_model\n"
    fault = Source(f"{READ_MODELS}churn_signals/fold.py", text)
    own = Source(f"{READ_MODELS}wallet_share/reader.py", text)
    assert leaning([fault, own]) == [f"{fault.path} leans on wallet_share"]


def test_the_packages_imported_are_those_of_this_tree() -> None:
    """`events` is also the name of a package on PyPI; the one in use must be ours."""
    assert events.__file__ == str(ROOT / "events" / "__init__.py")
    assert rapport.__file__ == str(ROOT / "rapport" / "__init__.py")
