"""`make run` as a stranger sees it: the printed calls are run as they are printed."""

from __future__ import annotations

import re
import subprocess
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from rapport.samples import online_retail

if TYPE_CHECKING:
    from conftest import Platform

LOADED_SECONDS = 240
SOON_SECONDS = 30
CALL = re.compile(r"^curl .*?(?=\n\n)", re.DOTALL | re.MULTILINE)


def printed(platform: Platform, words: str, seconds: float) -> str:
    """Everything printed so far, once `words` are among it."""
    until = time.monotonic() + seconds
    while words not in (text := "".join(platform.lines)):
        assert time.monotonic() < until, text[-3000:]
        time.sleep(0.1)
    return text


def call(command: str) -> dict[str, Any]:
    """Run a printed call in a shell; its JSON."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=60)
    return orjson.loads(done.stdout)


@pytest.mark.timeout(600)
def test_real_purchases_become_health_wallet_share_and_alerts(platform: Platform) -> None:
    platform.start("--demo")
    text = printed(platform, "Ctrl-C stops everything.", LOADED_SECONDS)
    assert re.search(r"login\?token=\S+", text)
    assert f"{online_retail.INVOICES:,} stored" in text
    read, store, explain, store_now = CALL.findall(text)

    before = call(read)
    assert before["status"] == "ok"
    assert call(store)["status"] == "stored"
    assert call(store)["status"] == "duplicate"
    platform.wait_until_folded()
    after = call(read)
    assert Decimal(str(after["value"])) < Decimal(str(before["value"]))
    why = call(explain)
    assert sum(Decimal(line["points"]) for line in why["contributions"]) == Decimal(
        str(after["value"])
    )
    assert "complaint.opened" in {line["type"] for line in why["contributions"]}

    assert call(store_now)["status"] == "stored"
    printed(platform, "complaint unresolved", SOON_SECONDS)

    with platform.client("marketer") as marketer:
        page = marketer.get(
            "/v1/customers", params={"simulated": "true", "as_of": "2011-12-09T23:59:59Z"}
        ).json()
        assert page["items"]
        assert all(item["simulated"] for item in page["items"])
        known = [item for item in page["items"] if item["wallet_share"]["basis"] != "unknown"]
        assert known
    assert platform.stop() == 0
