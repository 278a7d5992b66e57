"""From the running platform to a folder that anybody checks; and a database restored from before.

The commands are the program's own, started as a user starts them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson

from infra.plumbing import verify as alone

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Platform


def send(platform: Platform, first: int, count: int) -> None:
    """`count` reviews of three customers in turn."""
    told = [
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": "shop",
            "type": "review.published",
            "time": "2026-01-01T00:00:00Z",
            "subject": f"crm:{number % 3}",
            "data": {
                "review_id": f"r-{number}",
                "platform": "own",
                "rating": 5,
                "rating_max": 5,
                "outside": False,
            },
        }
        for number in range(first, first + count)
    ]
    with platform.client("emitter", "shop") as emitter:
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        answer = emitter.post("/v1/events", content=orjson.dumps(told), headers=headers)
        assert answer.status_code == 200, answer.text


def verify(*words: str | Path) -> tuple[int, str]:
    """`rapport verify`, and `verify.py` from elsewhere; they agree. Exit code and first words."""
    said: list[tuple[int, str]] = []
    for program in (["-m", "rapport", "verify"], ["-I", "-S", alone.__file__]):
        done = subprocess.run(
            [sys.executable, *program, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "80"},
        )
        said.append((done.returncode, done.stdout.partition(":")[0]))
    assert said[0] == said[1], said
    return said[0]


def export(platform: Platform, folder: Path) -> Path:
    done = platform.rapport("export-log", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    assert "more came after" not in done.stderr
    return folder


def copy(source: Path, target: Path) -> None:
    """With owners: started by root, the server works under an account of its own."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def test_an_export_passes_elsewhere_and_names_what_was_done_to_it(
    platform: Platform, tmp_path: Path
) -> None:
    platform.start()
    send(platform, 0, 30)
    folder = export(platform, tmp_path / "x")
    key = platform.data_dir / "checkpoints" / "public-key"
    latest = platform.data_dir / "checkpoints" / "latest.checkpoint"
    code, words = verify(folder, "--public-key", key, "--checkpoint", latest)
    assert (code, words.split()[:3]) == (0, ["PASS", "30", "events"])
    assert platform.stop() == 0

    entries = folder / "entries.ndjson"
    honest = entries.read_bytes()
    lines = honest.splitlines(keepends=True)
    at = lines[16].index(b'"body":"') + 40
    changed = lines[16][:at] + bytes([lines[16][at] ^ 1]) + lines[16][at + 1 :]
    entries.write_bytes(b"".join([*lines[:16], changed, *lines[17:]]))
    assert verify(folder, "--public-key", key) == (1, "FAIL position 17")
    stream = orjson.loads(lines[1])["header"][:24]
    entries.write_bytes(b"".join(line for line in lines if stream.encode() not in line))
    assert verify(folder, "--public-key", key) == (1, "FAIL position 2")
    entries.write_bytes(honest)
    assert verify(folder, "--public-key", key)[0] == 0


def test_an_orderly_end_leaves_nothing_unsigned_and_a_stopped_platform_can_be_exported(
    platform: Platform, tmp_path: Path
) -> None:
    platform.start()
    send(platform, 0, 5)
    assert platform.stop() == 0
    code, words = verify(export(platform, tmp_path / "x"))
    assert (code, words.split()[:3]) == (0, ["PASS", "5", "events"])


def test_a_killed_signer_goes_on_where_it_was(platform: Platform, tmp_path: Path) -> None:
    platform.start()
    send(platform, 0, 5)
    export(platform, tmp_path / "x")
    kept = tmp_path / "kept"
    shutil.copy(platform.data_dir / "checkpoints" / "latest.checkpoint", kept)
    platform.stop(9)
    platform.start()
    send(platform, 5, 5)
    code, words = verify(export(platform, tmp_path / "y"), "--checkpoint", kept)
    # The export before is an event of the log too.
    assert (code, words.split()[:3]) == (0, ["PASS", "11", "events"])


def test_two_signers_do_not_work_on_one_memory(platform: Platform) -> None:
    platform.start()
    send(platform, 0, 1)
    second = platform.rapport("signer", "--once")
    assert second.returncode == 1
    assert "A signer runs with this data folder already" in second.stderr
    assert platform.stop() == 0
    assert platform.rapport("signer", "--once").returncode == 0


def refuses_everything(platform: Platform, words: str) -> None:
    export_nowhere = f"export-log --out {platform.data_dir}/../no"
    for command in ("up", "notifier", "signer", export_nowhere, "retention apply --yes"):
        refused = platform.rapport(*command.split())
        assert refused.returncode == 1, refused.stderr
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_database_restored_behind_a_checkpoint_is_refused_until_a_new_log_is_begun(
    platform: Platform, tmp_path: Path
) -> None:
    database, backup = platform.data_dir / "postgres", tmp_path / "backup"
    platform.start()
    send(platform, 0, 6)
    assert platform.stop() == 0
    copy(database, backup)
    needless = platform.rapport("new-log", "--reason", "because")
    assert needless.returncode == 1
    assert "goes on as it is" in needless.stderr
    platform.start()
    send(platform, 6, 6)
    export(platform, tmp_path / "x")
    kept = tmp_path / "kept"
    shutil.copy(platform.data_dir / "checkpoints" / "latest.checkpoint", kept)
    assert platform.stop() == 0

    shutil.rmtree(database)
    copy(backup, database)
    refuses_everything(platform, "holds 6 events, but a checkpoint of 13 was published")
    begun = platform.rapport("new-log", "--reason", "the disk of Monday was lost")
    assert begun.returncode == 0, begun.stderr
    assert "begins with the 6 events" in begun.stdout
    platform.start()
    send(platform, 6, 2)
    folder = export(platform, tmp_path / "y")
    assert "\nagrees 6 " in (folder / "restored-from-1.note").read_text()
    key = platform.data_dir / "checkpoints" / "public-key"
    code, words = verify(folder, "--public-key", key)
    assert (code, words.split()[:3]) == (0, ["PASS", "8", "events"])
    assert verify(folder, "--checkpoint", kept, "--public-key", key)[0] == 0
    (folder / "restored-from-1.note").unlink()
    assert verify(folder, "--checkpoint", kept) == (1, "FAIL kept checkpoint")
    assert platform.stop() == 0
