"""Erased over the command line: facts stay, the log verifies, and no canary stands anywhere.

Anywhere is every file of the data folder: tables, the write-ahead log, the server's log, exports;
and all that the program said at log level debug.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.journeys.conftest import RAPPORT, Platform
from tests.services.command.privacy.office import (
    ADA,
    CARD,
    WORDS,
    about_ada,
    canaries_in,
    naming_ada,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = {"content-type": "application/cloudevents+json"}
CHUNK = 1 << 24
OVERLAP = 256


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Platform]:
    """A platform that logs all it can."""
    made = Platform(tmp_path / "data", {"RAPPORT_LOG_LEVEL": "debug"})
    try:
        yield made
    finally:
        if made.process is not None:
            made.stop()


def found_in(file: Path) -> list[bytes]:
    """The canaries in a file, however long it is."""
    found: list[bytes] = []
    tail = b""
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            found += canaries_in(tail + chunk)
            tail = chunk[-OVERLAP:]
    return found


def export_and_verify(platform: Platform, folder: Path) -> None:
    """The log as files, and the verdict on them."""
    exported = platform.rapport("export-log", "--out", str(folder))
    assert exported.returncode == 0, exported.stderr
    verify = [*RAPPORT, "verify", str(folder)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.faults
def test_an_erased_customer_is_found_nowhere_and_the_log_still_verifies(
    talkative: Platform, tmp_path: Path
) -> None:
    talkative.start()
    with talkative.client("emitter", "shop") as shop, talkative.client("auditor") as auditor:
        events = [about_ada(), about_ada("c-2", time="2999-01-01T00:00:00Z"), naming_ada()]
        statuses = [
            shop.post("/v1/events", json=event, headers=ONE).status_code for event in events
        ]
        assert statuses == [201, 422, 201]
        customer = shop.post("/v1/events", json=about_ada(), headers=ONE).json()["customer"]
        size = talkative.wait_until_folded()
        erased = talkative.rapport("erase", ADA, "--yes", "--json")
        assert erased.returncode == 0, erased.stderr
        certificate = json.loads(erased.stdout)
        assert certificate["position"] == size + 1
        again = shop.post("/v1/events", json=about_ada("c-9"), headers=ONE)
        assert (again.status_code, again.json()["type"]) == (422, "quarantined")
        assert (
            shop.post("/v1/events", json=about_ada(), headers=ONE).json()["status"] == "duplicate"
        )

        talkative.wait_until_folded()
        told = auditor.get(f"/v1/customers/{customer}/timeline").json()["items"]
        assert [each["type"] for each in told] == ["customer.erased", "complaint.opened"]
        assert told[1]["sentence"] == "Complained about delivery."
        assert auditor.get(f"/v1/customers/{customer}").json()["identifiers"] == []
        assert auditor.get(f"/v1/customers/{ADA}").status_code == 404

    export_and_verify(talkative, tmp_path / "export")
    talkative.stop()
    said = "".join(talkative.lines)
    assert "privacy_step" in said
    assert canaries_in(said.encode()) == []
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"server.log", "entries.ndjson"} <= {file.name for file in files}
    assert [(file.name, found) for file in files if (found := found_in(file))] == []


def test_a_canary_in_a_file_would_be_found(tmp_path: Path) -> None:
    for canary in (ADA, CARD, WORDS):
        file = tmp_path / "planted"
        file.write_bytes(bytes(CHUNK - 5) + canary.encode("utf-16-le"))
        assert found_in(file)
