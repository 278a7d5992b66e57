"""Forgetting: the fence stands behind every append under way, and the list is changed alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
import pytest

from events.identifiers import parse_identifier
from infra.plumbing.vault import erasure
from infra.plumbing.vault.vault import Vault, open_master
from tests.services.notifier.house import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.seal import Person


@pytest.fixture
def vault(pool: Pool, tmp_path: Path) -> Vault:
    return Vault(pool, open_master(pool, tmp_path / "master.key"))


def one(vault: Vault, *texts: str) -> Person:
    [person] = vault.people([[parse_identifier(text) for text in texts]])
    assert person is not None
    return person


def listed(vault: Vault, text: str) -> bytes:
    return vault.hashes.listed(vault.hashes.lookup(parse_identifier(text)))


def test_a_fence_waits_for_the_append_under_way(pool: Pool) -> None:
    stream = uuid4()

    def put_up() -> bool:
        with pool.connection() as connection:
            return erasure.fence(connection, stream)

    with ThreadPoolExecutor(1) as other:
        with pool.connection() as appending, pool.connection() as watching:
            appending.execute("SELECT FROM ledger.head FOR UPDATE")
            fencing = other.submit(put_up)
            waiting = b"SELECT FROM pg_locks WHERE NOT granted"
            wait_until(lambda: watching.execute(waiting).rowcount == 1)
            assert watching.execute("SELECT FROM vault.fences").rowcount == 0
        assert fencing.result(10)
    with pool.connection() as connection:
        assert not erasure.fence(connection, stream)


def test_forgetting_takes_key_and_names_at_once_and_twice_is_once(vault: Vault, pool: Pool) -> None:
    ada = one(vault, "email:ada@example.org", "loyalty:77")
    with pool.connection() as connection:
        assert erasure.forget(connection, vault.hashes, ada.stream)[:4] == (1, 2, 2, 0)
    with pool.connection() as connection:
        assert erasure.forget(connection, vault.hashes, ada.stream)[:4] == (0, 0, 0, 0)

    assert vault.key(ada.key_id, ada.stream) is None
    again = one(vault, "loyalty:77")
    assert again.withheld is not None
    assert again.stream != ada.stream
    assert vault.find("loyalty:77") is None


def test_the_hash_on_the_list_is_not_the_hash_of_the_lookup(vault: Vault, pool: Pool) -> None:
    name = parse_identifier("email:ada@example.org")
    with pool.connection() as connection:
        erasure.suppress(connection, vault.hashes, None, listed(vault, str(name)))
        [(hash_,)] = connection.execute("SELECT hash FROM vault.suppressed").fetchall()
    assert hash_ == vault.hashes.listed(vault.hashes.lookup(name)) != vault.hashes.lookup(name)


def test_all_names_of_a_suppressed_customer_are_one_person(vault: Vault, pool: Pool) -> None:
    ada = one(vault, "email:ada@example.org", "loyalty:77")
    with pool.connection() as connection:
        assert erasure.suppress(connection, vault.hashes, ada.stream, None) == 2
    numbers = {one(vault, name).withheld for name in ("email:ada@example.org", "loyalty:77")}
    assert len(numbers) == 1
    assert isinstance(numbers.pop(), UUID)
    with pool.connection() as connection:
        name = listed(vault, "loyalty:77")
        person, streams = erasure.release(connection, vault.hashes, None, name)
    assert (person is not None, streams) == (True, [ada.stream])
    assert one(vault, "email:ada@example.org") == ada


def test_nobody_is_released_who_is_not_on_the_list(vault: Vault, pool: Pool) -> None:
    ada = one(vault, "crm:ada")
    with pool.connection() as connection:
        assert erasure.release(connection, vault.hashes, ada.stream, None) == (None, [])


def test_erasures_take_turns_and_writers_share(vault: Vault, pool: Pool) -> None:
    with pool.connection() as one_writer, pool.connection() as another, pool.connection() as eraser:
        vault.hold(one_writer, [])
        vault.hold(another, [])
        eraser.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            erasure.forget(eraser, vault.hashes, uuid4())
        eraser.rollback()
