"""The services under one roof: a dead one comes back, none outlives the program."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

import orjson
import psutil
import pytest

if TYPE_CHECKING:
    from conftest import Platform

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
