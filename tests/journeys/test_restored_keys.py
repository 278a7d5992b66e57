"""A backup that is restored lets nobody in whose key was revoked since it was made."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import httpx2
import orjson

from tests.journeys.test_export import copy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.journeys.conftest import Platform


def status(platform: Platform, key: str) -> int:
    """What the platform answers to whoever has the key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.get(f"{platform.url}/v1/portfolio", headers=headers, timeout=30).status_code


def test_a_key_revoked_since_the_backup_lets_nobody_in_once_it_is_restored(
    platform: Platform, tmp_path: Path
) -> None:
    database, backup = platform.data_dir / "postgres", tmp_path / "backup"
    lost, kept = platform.key("marketer"), platform.key("marketer")
    copy(database, backup)
    revoked = platform.rapport("keys", "revoke", lost.split("_")[2])
    assert revoked.returncode == 0, revoked.stderr
    assert str(platform.data_dir / "revoked-keys.ndjson") in revoked.stdout
    since = platform.key("marketer")

    shutil.rmtree(database)
    copy(backup, database)
    platform.start()
    assert [status(platform, key) for key in (lost, kept, since)] == [401, 200, 401]
    assert platform.stop() == 0
    listed = orjson.loads(platform.rapport("keys", "list", "--json").stdout)
    ended = {row["id"] for row in listed if row["revoked_at"] is not None}
    assert ended == {lost.split("_")[2]}
    assert len(listed) == 3, "two of before the backup, and the one this start made for itself"


def test_keys_are_listed_as_revoked_before_anything_serves_a_restored_database(
    platform: Platform, tmp_path: Path
) -> None:
    database, backup = platform.data_dir / "postgres", tmp_path / "backup"
    lost = platform.key("admin").split("_")[2]
    copy(database, backup)
    assert platform.rapport("keys", "revoke", lost).returncode == 0
    shutil.rmtree(database)
    copy(backup, database)

    assert f"{lost}  admin      revoked" in platform.rapport("keys", "list").stdout
    again = platform.rapport("keys", "revoke", lost)
    assert (again.returncode, "no valid key" in again.stderr) == (2, True)
