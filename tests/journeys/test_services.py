"""The services under one roof: a dead one comes back, none outlives the program."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import httpx2
import orjson
import psutil
import pytest

from tests.journeys.conftest import RAPPORT, Platform

if TYPE_CHECKING:
    from pathlib import Path

SOON_SECONDS = 40


def child(platform: Platform, name: str) -> psutil.Process | None:
    """The running child process of the service called `name`."""
    assert platform.process is not None
    for process in psutil.Process(platform.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it may end while it is looked at
            if name in process.cmdline():
                return process
    return None


def another(platform: Platform, name: str, pid: int) -> psutil.Process:
    until = time.monotonic() + SOON_SECONDS
    while (found := child(platform, name)) is None or found.pid == pid:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("name", ["projections", "notifier", "signer"])
def test_a_killed_service_is_started_again(platform: Platform, name: str) -> None:
    platform.start()
    first = child(platform, name)
    assert first is not None
    first.kill()
    assert another(platform, name, first.pid).is_running()
    assert platform.stop() == 0


def test_a_killed_database_server_comes_back_with_everything_stored(platform: Platform) -> None:
    platform.start()
    told = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "shop",
        "type": "review.published",
        "time": "2026-01-01T00:00:00Z",
        "subject": "crm:ada",
        "data": {"review_id": "r-1", "platform": "own", "rating": 5, "rating_max": 5},
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    with platform.client("emitter", "shop") as emitter:
        body = orjson.dumps({**told, "data": {**told["data"], "outside": False}})  # pyright: ignore[reportGeneralTypeIssues] - JSON
        assert emitter.post("/v1/events", content=body, headers=headers).status_code == 201
        platform.kill_database()
        until = time.monotonic() + SOON_SECONDS
        while (answer := emitter.post("/v1/events", content=body, headers=headers)).is_error:
            assert answer.status_code in {429, 503}, answer.text
            assert time.monotonic() < until
            time.sleep(0.1)
        assert answer.json()["status"] == "duplicate"
    assert platform.stop() == 0


def test_a_signer_that_may_not_sign_is_told_once_at_start_and_the_platform_works(
    conninfo: str, vault_conninfo: str, tmp_path: Path
) -> None:
    """A server of one's own, each part with its own role, and none named for the signer."""
    own = {"RAPPORT_DATABASE_URL": conninfo, "RAPPORT_DATABASE_VAULT_URL": vault_conninfo}
    platform = Platform(tmp_path / "data", settings=own)
    platform.start()
    assert child(platform, "notifier") is not None
    assert child(platform, "signer") is None
    assert httpx2.get(f"{platform.url}/readyz").status_code == 200
    assert platform.stop() == 0
    said = [line for line in platform.lines if "RAPPORT_DATABASE_SIGNER_URL" in line]
    assert [line for line in said if line.startswith("rapport: No signer is started here.")]
    assert len(said) == 2, "a sentence for the reader and a line for whoever collects logs"
    assert "Traceback" not in "".join(platform.lines)

    done = subprocess.run(
        [*RAPPORT, "signer", "--data-dir", str(platform.data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **own},
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "Name rapport_signer in RAPPORT_DATABASE_SIGNER_URL" in done.stderr


def test_no_service_outlives_a_killed_program(platform: Platform) -> None:
    platform.start()
    children = [child(platform, name) for name in ("projections", "notifier", "signer")]
    platform.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs([each for each in children if each is not None], SOON_SECONDS)
    assert alive == []
    platform.start()
    assert platform.stop() == 0


def test_keys_are_made_listed_and_revoked(platform: Platform) -> None:
    platform.start()
    with platform.client("marketer") as marketer:
        assert marketer.get("/v1/customers").status_code == 200
        rows = orjson.loads(platform.rapport("keys", "list", "--json").stdout)
        [row] = [row for row in rows if row["role"] == "marketer"]
        assert platform.rapport("keys", "revoke", row["id"]).returncode == 0
        until = time.monotonic() + SOON_SECONDS
        while marketer.get("/v1/customers").status_code != 401:
            assert time.monotonic() < until
            time.sleep(0.1)
    again = platform.rapport("keys", "revoke", row["id"])
    assert again.returncode == 2
    assert "no valid key" in again.stderr
    wrong = platform.rapport("keys", "create", "--role", "king")
    assert "There is no role 'king'" in wrong.stderr


def test_secrets_are_readable_by_their_owner_alone(platform: Platform) -> None:
    platform.start()
    secrets = [path for path in (platform.data_dir / "secrets").rglob("*") if path.is_file()]
    assert {path.name for path in secrets} >= {"master.key", "local-admin.key"}
    for path in [*secrets, platform.data_dir / "endpoint.json"]:
        assert path.stat().st_mode & 0o077 == 0, path
