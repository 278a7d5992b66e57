"""Which database roles the running platform works as, and what these may not see."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from infra.plumbing.postgres.facts import APP, DATABASE, SIGNER, VAULT

if TYPE_CHECKING:
    from conftest import Platform

SOON_SECONDS = 40
CHILDREN = ("notifier", "projections", "signer")
CLOSED = (
    "SELECT wrapped FROM vault.keys",
    "SELECT lookup, sealed FROM vault.identifiers",
    "INSERT INTO access.keys (role) VALUES ('admin')",
    "INSERT INTO vault.fences (stream) VALUES (gen_random_uuid())",
    "DELETE FROM vault.fences",
    "INSERT INTO ops.privacy_steps VALUES (gen_random_uuid(), 1, 'fence', '{}')",
    "DELETE FROM ops.privacy_steps",
    "UPDATE ops.privacy_requests SET certificate = 'forged'",
)


def logins(platform: Platform) -> dict[str, str]:
    """Sessions by name, with the role each logged in as; when every child has one."""
    superuser = platform.facts().superuser_conninfo(DATABASE)
    until = time.monotonic() + SOON_SECONDS
    while True:
        with psycopg.connect(superuser) as connection:
            found = connection.execute(
                "SELECT application_name, usename FROM pg_stat_activity"
                " WHERE application_name LIKE 'rapport %'"
            ).fetchall()
        if all(any(child in name for name, _ in found) for child in CHILDREN):
            return dict(found)
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_worker_and_notifier_log_in_as_one_who_reaches_no_key_name_or_certificate(
    platform: Platform,
) -> None:
    platform.start()
    found = logins(platform)
    theirs = {role for name, role in found.items() if "notifier" in name or "projections" in name}
    assert theirs == {APP}
    assert {name for name, role in found.items() if role == VAULT} == {"rapport rapport up vault"}
    assert {role for name, role in found.items() if "signer" in name} == {SIGNER}
    for role in theirs:
        with psycopg.connect(platform.facts().conninfo(role), autocommit=True) as connection:
            for statement in CLOSED:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
    assert platform.stop() == 0
