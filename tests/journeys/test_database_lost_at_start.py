"""The database goes away while `rapport up` starts: one plain sentence, wherever it stands."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.wire import Loss, postgres_wire

RAPPORT = (sys.executable, "-m", "rapport")


class LostFrom(Loss):
    """Every answer from the `first` on is lost, and its connection is cut."""

    def __init__(self, first: int) -> None:
        super().__init__(Random(0), b"", one_in=1, most=0)  # noqa: S311 - nothing is left to chance
        self._first = first
        self.answers = 0

    def takes(self, answer: bytes) -> bool:
        """Whether this answer is lost; counts it."""
        self.answers += bool(answer)
        return self.answers >= self._first


@pytest.mark.parametrize("first", [9, 14, 30, 95])
def test_a_database_lost_while_the_program_starts_is_told_in_one_sentence(
    conninfo: str, vault_conninfo: str, tmp_path: Path, first: int
) -> None:
    """While it looks at the tables, opens its pool, takes the master key, starts its children.

    Until it is ready the program takes about 110 answers.
    """
    parts = conninfo_to_dict(conninfo)
    server = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    loss = LostFrom(first)
    with (
        tempfile.TemporaryDirectory(prefix="wire-") as folder,
        postgres_wire(Path(folder), server, loss),
    ):
        wired = {
            f"RAPPORT_DATABASE_{name}": make_conninfo(to, host=folder, port=5432)
            for name, to in (("URL", conninfo), ("VAULT_URL", vault_conninfo))
        }
        done = subprocess.run(
            [*RAPPORT, "up", "--port", "0", "--data-dir", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **wired},
        )
    assert loss.answers >= first
    assert (done.returncode, done.stdout) == (1, ""), done
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert said, "nothing but log lines"
    for sentence in said:  # the children's too, once they are started
        assert sentence.startswith("rapport: The database "), sentence
        assert "server runs" in sentence, sentence
