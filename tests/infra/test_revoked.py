"""A revoked key stays revoked, whichever of database and file is older."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
import structlog

from events.times import parse_time
from infra.plumbing import revoked as revoked_module
from infra.plumbing.access import Access, create_key, list_keys
from infra.plumbing.line_file import LinesUnusable
from infra.plumbing.revoked import NAME, Revoked, RevokedDamaged
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.access import NewKey
    from infra.plumbing.postgres.pool import Pool

RESTORE = "UPDATE access.keys SET revoked_at = NULL"
"""What a backup from before the revocation says of the key."""


def kept_in(folder: Path) -> Revoked:
    return Revoked(folder, lambda: parse_time("2026-03-01T12:00:00Z"))


def made(pool: Pool) -> NewKey:
    with pool.connection() as connection:
        return create_key(connection, "admin")


def restore(pool: Pool) -> None:
    with pool.connection() as connection:
        connection.execute(RESTORE)


def agreed(pool: Pool, revoked: Revoked) -> int:
    with pool.connection() as connection:
        return revoked.agree(connection)


def valid(pool: Pool) -> set[str]:
    with pool.connection() as connection:
        return {row.id for row in list_keys(connection) if row.revoked_at is None}


def test_a_key_revoked_since_the_backup_is_revoked_in_the_restored_database(
    vault_pool: Pool, tmp_path: Path
) -> None:
    revoked, lost, good = kept_in(tmp_path), made(vault_pool), made(vault_pool)
    with vault_pool.connection() as connection:
        assert revoked.revoke(connection, lost.id)
    restore(vault_pool)
    assert Access(vault_pool).verify(lost.key) is not None

    assert agreed(vault_pool, kept_in(tmp_path)) == 1
    assert Access(vault_pool).verify(lost.key) is None
    assert Access(vault_pool).verify(good.key) is not None
    assert agreed(vault_pool, kept_in(tmp_path)) == 0, "nothing is left to do"


def test_the_file_has_the_key_before_the_database_says_that_it_is_revoked(
    vault_pool: Pool, tmp_path: Path
) -> None:
    key, revoked = made(vault_pool), kept_in(tmp_path)
    with vault_pool.connection() as connection:
        assert revoked.revoke(connection, key.id)
        connection.rollback()  # the program is killed between file and commit
    assert valid(vault_pool) == {key.id}
    assert agreed(vault_pool, revoked) == 1
    assert valid(vault_pool) == set()
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_key_stays_valid_where_its_revocation_cannot_be_written_down(
    vault_pool: Pool, tmp_path: Path
) -> None:
    key = made(vault_pool)
    (tmp_path / NAME).mkdir()
    with (
        vault_pool.connection() as connection,
        pytest.raises(LinesUnusable, match=rf"{NAME} cannot be written: .* the disk has room"),
    ):
        kept_in(tmp_path).revoke(connection, key.id)
    assert valid(vault_pool) == {key.id}


def test_an_id_that_no_valid_key_has_is_not_written_down(vault_pool: Pool, tmp_path: Path) -> None:
    with vault_pool.connection() as connection:
        assert not kept_in(tmp_path).revoke(connection, "nobody")
    assert list(tmp_path.iterdir()) == []


def test_a_lost_file_is_written_anew_from_the_database(vault_pool: Pool, tmp_path: Path) -> None:
    """Also what was revoked with another data folder, or by a release that kept no file."""
    revoked, first, second = kept_in(tmp_path), made(vault_pool), made(vault_pool)
    for key in (first, second):
        with vault_pool.connection() as connection:
            revoked.revoke(connection, key.id)
    (tmp_path / NAME).unlink()

    assert agreed(vault_pool, revoked) == 0
    restore(vault_pool)
    assert agreed(vault_pool, revoked) == 2
    assert valid(vault_pool) == set()


def test_a_serving_program_takes_over_what_is_revoked_with_another_data_folder(
    vault_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on where its own file cannot be written for a while."""
    monkeypatch.setattr(revoked_module, "LOOK_SECONDS", 0.02)
    here, elsewhere, stop = kept_in(tmp_path / "a"), kept_in(tmp_path / "b"), Event()
    (tmp_path / "a").write_bytes(b"in the way")
    key = made(vault_pool)
    working = Thread(target=here.run, args=(vault_pool, stop))
    with vault_pool.connection() as connection:
        assert elsewhere.revoke(connection, key.id)
    try:
        with structlog.testing.capture_logs() as logged:
            working.start()
            wait_until(lambda: "revoked_keys_wait" in [line["event"] for line in logged])
        (tmp_path / "a").unlink()
        wait_until(here.path.exists)
        restore(vault_pool)
        wait_until(lambda: valid(vault_pool) == set())
    finally:
        stop.set()
        working.join(30)


def test_a_torn_line_is_passed_over_and_a_damaged_one_is_refused(
    vault_pool: Pool, tmp_path: Path
) -> None:
    revoked, first, second = kept_in(tmp_path), made(vault_pool), made(vault_pool)
    with vault_pool.connection() as connection:
        revoked.revoke(connection, first.id)
    whole = revoked.path.read_bytes()
    for torn in (whole[:1], whole[:20]):
        revoked.path.write_bytes(whole + torn)
        restore(vault_pool)
        with vault_pool.connection() as connection:
            assert revoked.revoke(connection, second.id)
        assert agreed(vault_pool, revoked) == 1
        assert valid(vault_pool) == set()

    for damaged in (b'["id"]\n', b"junk\n", b'{"at":1}\n'):
        revoked.path.write_bytes(whole + damaged)
        with pytest.raises(RevokedDamaged, match=r"Line 2 of .*Restore the file from a copy"):
            agreed(vault_pool, revoked)
