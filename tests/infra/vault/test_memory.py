"""Whom the vault remembers, it forgets with the next look once anything was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from events.identifiers import parse_identifier
from infra.plumbing.vault import erasure
from infra.plumbing.vault.memory import Memory
from infra.plumbing.vault.seal import Person
from infra.plumbing.vault.vault import Vault, open_master

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.postgres.pool import Pool

NAMES = ("crm:ada", "phone:+441632960001")


@pytest.fixture
def vault(pool: Pool, tmp_path: Path) -> Vault:
    return Vault(pool, open_master(pool, tmp_path / "master.key"))


def met(vault: Vault, *names: str) -> Person:
    [person] = vault.people([[parse_identifier(name) for name in names]])
    assert person is not None
    return person


def remembered(vault: Vault, name: str) -> Person | None:
    return vault.known().get(vault.hashes.lookup(parse_identifier(name)))


def test_who_was_met_is_remembered_under_every_name(vault: Vault) -> None:
    ada = met(vault, *NAMES)

    assert [remembered(vault, name) for name in NAMES] == [ada, ada]
    assert remembered(vault, "crm:bob") is None
    met(vault, f"customer:{ada.stream}")
    assert remembered(vault, f"customer:{ada.stream}") == ada


def test_an_event_that_does_not_count_yet_makes_no_name_known(vault: Vault) -> None:
    met(vault, "crm:ada")
    vault.people([[parse_identifier(name) for name in NAMES]], passing={0})

    assert remembered(vault, "phone:+441632960001") is None


def forget(connection: Connection[Any], vault: Vault, stream: UUID) -> object:
    return erasure.forget(connection, vault.hashes, stream)


def suppress(connection: Connection[Any], vault: Vault, stream: UUID) -> object:
    return erasure.suppress(connection, vault.hashes, stream, None)


def release(connection: Connection[Any], vault: Vault, stream: UUID) -> object:
    return erasure.release(connection, vault.hashes, stream, vault.hashes.listed(b"nobody"))


@pytest.mark.parametrize("change", [forget, suppress, release])
def test_what_another_program_takes_back_is_forgotten(
    vault: Vault,
    pool: Pool,
    tmp_path: Path,
    change: Callable[[Connection[Any], Vault, UUID], object],
) -> None:
    ada, bob = met(vault, *NAMES), met(vault, "crm:bob")
    other = Vault(pool, open_master(pool, tmp_path / "master.key"))
    with pool.connection() as connection:
        change(connection, other, ada.stream)
        assert remembered(vault, "crm:bob") == bob  # not committed, so not so

    assert [remembered(vault, name) for name in (*NAMES, "crm:bob")] == [None, None, None]


def test_who_is_not_to_be_recorded_is_not_remembered(vault: Vault, pool: Pool) -> None:
    ada = met(vault, *NAMES)
    with pool.connection() as connection:
        suppress(connection, vault, ada.stream)

    assert met(vault, *NAMES).withheld is not None
    assert remembered(vault, "crm:ada") is None


def test_what_was_read_before_a_change_is_not_learned_after_it() -> None:
    memory, ada = Memory(), Person.new()
    memory.under(2)
    memory.learn(1, {b"ada": ada})
    assert memory.under(2).get(b"ada") is None

    memory.learn(2, {b"ada": ada})
    assert memory.under(1).get(b"ada") is None
    assert memory.under(2).get(b"ada") == ada
    memory.learn(3, {b"bob": Person.new()})
    assert memory.under(3).get(b"ada") is None


def test_the_memory_is_bounded_and_keeps_the_youngest() -> None:
    memory, people = Memory(generation=2), {bytes([n]): Person.new() for n in range(5)}
    for name, person in people.items():
        memory.learn(0, {name: person})

    known = memory.under(0)

    assert [known.get(name) is not None for name in people] == [False, False, True, True, True]
