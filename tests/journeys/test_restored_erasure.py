"""A backup that is restored brings nobody back who was erased since it was made."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.journeys.test_export import copy
from tests.services.command.house import complaint
from tests.services.command.privacy.office import ADA, about_ada

if TYPE_CHECKING:
    from pathlib import Path

    from httpx2 import Client

    from tests.journeys.conftest import Platform

ONE = {"content-type": "application/cloudevents+json"}
SINCE = "email:canary-since@example.org"


def send(shop: Client, event: dict[str, object]) -> dict[str, str]:
    return shop.post("/v1/events", json=event, headers=ONE).json()


@pytest.mark.faults
def test_whoever_was_erased_since_the_backup_is_erased_before_the_platform_serves(
    platform: Platform, tmp_path: Path
) -> None:
    database, backup = platform.data_dir / "postgres", tmp_path / "backup"
    platform.start()
    with platform.client("emitter", "shop") as shop:
        ada = send(shop, about_ada())["customer"]
        bob = send(shop, complaint(id="b-1", subject="crm:bob"))["customer"]
    assert platform.stop() == 0
    copy(database, backup)

    platform.start()
    with platform.client("emitter", "shop") as shop:
        send(shop, complaint(id="s-1", subject=SINCE))
    for ref in (ADA, SINCE):
        erased = platform.rapport("erase", ref, "--yes")
        assert erased.returncode == 0, erased.stderr
    assert platform.stop() == 0
    journal = (platform.data_dir / "erasures.ndjson").read_bytes()
    assert (journal.count(b"\n"), b"canary" in journal) == (2, False)

    shutil.rmtree(database)
    copy(backup, database)
    begun = platform.rapport("new-log", "--reason", "the disk was lost")
    assert begun.returncode == 0, begun.stderr
    platform.start()
    with platform.database() as connection:
        keys = connection.execute("SELECT stream::text FROM vault.keys").fetchall()
        assert keys == [(bob,)], "at once: before the first request is taken"
        fenced = connection.execute("SELECT stream::text FROM vault.fences").fetchall()
        assert fenced == [(ada,)]
    with platform.client("emitter", "shop") as shop, platform.client("privacy") as officer:
        for event in (about_ada("c-2"), complaint(id="s-1", subject=SINCE)):
            assert send(shop, event)["type"] == "quarantined"
        assert officer.get(f"/v1/customers/{ADA}").status_code == 404
        told = officer.get(f"/v1/audit/customers/{ada}").json()["events"]
        assert "customer.erased" in [event["type"] for event in told]


def test_a_lost_list_of_the_erased_is_written_anew_before_the_platform_serves_and_told(
    platform: Platform,
) -> None:
    file = platform.data_dir / "erasures.ndjson"
    platform.start()
    with platform.client("emitter", "shop") as shop:
        ada = send(shop, about_ada())["customer"]
    erased = platform.rapport("erase", ADA, "--yes")
    assert erased.returncode == 0, erased.stderr
    assert platform.stop() == 0
    file.unlink()

    platform.start()
    assert ada in file.read_text()
    assert platform.stop() == 0
    told = [line for line in platform.lines if "erasures_file_was_short" in line]
    assert [(orjson.loads(line)["level"], orjson.loads(line)["count"]) for line in told] == [
        ("warning", 1)
    ]
    file.write_bytes(b"junk\n")
    refused = platform.rapport("up", "--port", "0")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
    assert "move the file away: it is written anew from the database" in refused.stderr
