"""What cannot be started says so in one plain sentence, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Platform


def refused(*options: str, **environment: str) -> str:
    """What `rapport up` says on standard error when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "rapport", "up", "--port", "0", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 1, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_a_second_program_on_the_folder_and_a_taken_port_are_told(
    platform: Platform, tmp_path: Path
) -> None:
    platform.start()
    assert "in use by process" in refused("--data-dir", str(platform.data_dir))
    port = platform.url.rpartition(":")[2]
    other = str(tmp_path / "other")
    assert f"Cannot listen on 127.0.0.1:{port}" in refused("--port", port, "--data-dir", other)
    assert platform.stop() == 0


def test_a_folder_that_cannot_be_made_is_told() -> None:
    assert "data folder /proc/nowhere" in refused("--data-dir", "/proc/nowhere")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://rapport@127.0.0.1:9/none", "cannot be reached"),
        ("mysql://127.0.0.1/none", "RAPPORT_DATABASE_URL"),
    ],
)
def test_a_wrong_database_url_is_told(tmp_path: Path, url: str, words: str) -> None:
    said = refused("--data-dir", str(tmp_path / "data"), RAPPORT_DATABASE_URL=url)
    assert words in said, said


def test_a_lost_master_key_is_told(platform: Platform) -> None:
    platform.start()
    platform.stop()
    (platform.data_dir / "secrets" / "master.key").unlink()
    assert "Restore it from your backup" in refused("--data-dir", str(platform.data_dir))


def test_a_command_without_a_platform_is_told(platform: Platform) -> None:
    done = platform.rapport("load", "online-retail")
    assert done.returncode == 1
    assert done.stderr.startswith("rapport: No platform runs on the data folder")
    assert "Traceback" not in done.stderr


def test_keys_are_not_looked_for_in_a_folder_that_is_not_there(platform: Platform) -> None:
    done = platform.rapport("keys", "list")
    assert (done.returncode, platform.data_dir.exists()) == (1, False)
    assert "There is no platform in the folder" in done.stderr


def test_a_wrong_webhook_secret_is_told_at_start(tmp_path: Path) -> None:
    said = refused(
        "--data-dir",
        str(tmp_path / "data"),
        RAPPORT_WEBHOOK_URL="http://127.0.0.1:1/x",
        RAPPORT_WEBHOOK_SECRET="abc",  # noqa: S106 - a wrong one
    )
    assert "RAPPORT_WEBHOOK_SECRET" in said
