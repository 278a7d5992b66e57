"""An event dated ahead, on the command line: seen, tried too early, recorded at its time."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.services.command.house import BATCH, complaint

if TYPE_CHECKING:
    from tests.journeys.conftest import Platform

PATIENCE_SECONDS = 60


def asked(platform: Platform, *words: str) -> list[dict[str, Any]]:
    told = platform.rapport("quarantine", *words, "--json")
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)["items"]


def test_an_event_dated_ahead_is_recorded_by_the_running_platform_when_its_time_comes(
    platform: Platform,
) -> None:
    platform.start()
    with platform.client("emitter", "shop") as shop:
        believed = datetime.now(UTC) + timedelta(minutes=5)
        events = [
            complaint(id="soon", time=(believed + timedelta(seconds=20)).isoformat()),
            complaint(id="later", time=(believed + timedelta(days=1)).isoformat()),
        ]
        posted = shop.post("/v1/events", json=events, headers={"content-type": BATCH})
        assert [each["status"] for each in posted.json()["results"]] == ["quarantined"] * 2
        waiting = asked(platform, "list")
        assert [(item["event_id"], item["reason"]) for item in waiting] == [
            ("soon", "time-ahead"),
            ("later", "time-ahead"),
        ]
        [tried] = asked(platform, "replay", str(waiting[1]["id"]))
        assert (tried["status"], tried["reason"]) == ("waiting", "time-ahead")

        until = time.monotonic() + PATIENCE_SECONDS
        while len(asked(platform, "list")) > 1:
            assert time.monotonic() < until
        again = shop.post("/v1/events", json=events[:1], headers={"content-type": BATCH})
        assert again.json()["results"][0]["status"] == "duplicate"

    shown = platform.rapport("quarantine", "list")
    assert "later" in shown.stdout
    assert "1 time-ahead: dated more than 5 minutes ahead" in shown.stdout
    tried_all = platform.rapport("quarantine", "replay")
    assert tried_all.stdout.strip() == "0 recorded, 0 of those tried still wait."
    wrong = platform.rapport("quarantine", "list", "--reason", "odd")
    assert (wrong.returncode, "suppressed" in wrong.stderr) == (2, True)
    gone = platform.rapport("quarantine", "replay", "999")
    assert gone.returncode == 1
    assert "Nothing of this id waits in quarantine" in gone.stderr
    assert platform.stop() == 0
