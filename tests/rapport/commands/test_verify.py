"""`rapport verify` and `verify.py` as they are typed: 0 PASS, 1 FAIL and where, 2 asked wrongly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from infra.plumbing import verify as alone
from tests.infra.ledger.forge import KEY, THIEVES_SEED, checkpoint_of, history, write_export

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {
    "rapport": ("-m", "rapport", "verify"),
    "alone": ("-I", "-S", alone.__file__),
}
HONEST = history(9)
ROOT = alone.__file__.removesuffix("infra/plumbing/verify.py")


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return PROGRAMS[request.param]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an export `x`, a kept checkpoint, the key, and things that are neither."""
    chain = [checkpoint_of(HONEST[:3]), checkpoint_of(HONEST[:6])]
    write_export(tmp_path / "x", HONEST, chain=chain)
    (tmp_path / "kept").write_bytes(checkpoint_of(HONEST[:5]))
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "letter").write_bytes(b"Dear Sir\xff\n")
    (tmp_path / "nothing").write_bytes(b"")
    return tmp_path


def run(program: tuple[str, ...], place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ROOT, "COLUMNS": "80"},
    )


FOLDER = "Give the folder that `rapport export-log` wrote"
KEPT = "Give a signed checkpoint that you kept"
KEYS = "Give a file of lines name+id+base64"
TYPED = (
    ("nowhere", "DIR nowhere: no export is there", FOLDER),
    ("empty", "DIR empty: no export is there", FOLDER),
    ("letter", "DIR letter: no export is there", FOLDER),
    ("x/entries.ndjson", "DIR x/entries.ndjson: no export is there", FOLDER),
    ("x --checkpoint nowhere", "--checkpoint nowhere: No such file", KEPT),
    ("x --checkpoint empty", "--checkpoint empty: Is a directory", KEPT),
    ("x --checkpoint letter", "--checkpoint letter: this is no", KEPT),
    ("x --checkpoint nothing", "--checkpoint nothing: this is no", KEPT),
    ("x --checkpoint key", "--checkpoint key: this is no", KEPT),
    ("x --public-key nowhere", "--public-key nowhere: No such file", KEYS),
    ("x --public-key empty", "--public-key empty: Is a directory", KEYS),
    ("x --public-key letter", "--public-key letter: ", KEYS),
    ("x --public-key nothing", "--public-key nothing: ", KEYS),
    ("x --public-key kept", "--public-key kept: ", KEYS),
)


@pytest.mark.parametrize(("words", "said", "cure"), TYPED)
def test_a_typing_error_is_no_verdict_but_names_what_was_given_and_the_cure(
    program: tuple[str, ...], place: Path, words: str, said: str, cure: str
) -> None:
    done = run(program, place, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr
    assert "Errno" not in done.stderr


def test_a_name_is_told_from_the_exports_own_where_the_export_is_here(
    program: tuple[str, ...], place: Path
) -> None:
    done = run(program, place / "x", ".", "--checkpoint", "kept")
    assert done.returncode == 2
    assert "--checkpoint kept: No such file" in done.stderr


def test_a_good_export_passes_with_all_that_was_given(
    program: tuple[str, ...], place: Path
) -> None:
    done = run(program, place, "x", "--checkpoint", "kept", "--public-key", "key")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS 9 events")
    assert done.stdout.endswith("checkpoints: 2 earlier ones are of this log\n")


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("entries.ndjson", "position 1"),
        ("checkpoint", "checkpoint"),
        ("manifest.json", "manifest.json"),
    ],
)
def test_a_part_that_an_export_lacks_is_a_verdict_and_names_where(
    program: tuple[str, ...], place: Path, file: str, where: str
) -> None:
    (place / "x" / file).unlink()
    done = run(program, place, "x")
    assert (done.returncode, done.stdout.partition(":")[0]) == (1, f"FAIL {where}")
    assert "Errno" not in done.stdout
    assert file in done.stdout


def test_a_signature_that_does_not_fit_has_no_position_and_names_its_file(
    program: tuple[str, ...], place: Path
) -> None:
    stolen = checkpoint_of(HONEST, THIEVES_SEED)
    (place / "forged").write_bytes(stolen)
    done = run(program, place, "x", "--public-key", "key", "--checkpoint", "forged")
    assert (done.returncode, done.stdout.partition(":")[0]) == (1, "FAIL kept checkpoint")
    shutil.copy(place / "forged", place / "x" / "checkpoint")
    done = run(program, place, "x", "--public-key", "key")
    assert (done.returncode, done.stdout.partition(":")[0]) == (1, "FAIL checkpoint")


def test_as_json_a_typing_error_says_nothing_where_verdicts_stand(place: Path) -> None:
    good = run(PROGRAMS["rapport"], place, "x", "--json")
    assert orjson.loads(good.stdout)["earlier_checkpoints"] == 2
    done = run(PROGRAMS["rapport"], place, "nowhere", "--json")
    assert (done.returncode, done.stdout) == (2, "")
