"""Identifiers lead to one customer each, under one key each, and stand nowhere in plain text."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from events.errors import BadIdentifier
from events.identifiers import Identifier, parse_identifier
from infra.plumbing.postgres.pool import make_pool
from infra.plumbing.vault.master import MasterKeyFile, MasterKeyMissing, MasterKeyWrong
from infra.plumbing.vault.resolving import Batch
from infra.plumbing.vault.vault import Vault, open_master

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.postgres.pool import Pool
    from infra.plumbing.vault.seal import Person


@pytest.fixture
def vault(pool: Pool, tmp_path: Path) -> Vault:
    return Vault(pool, open_master(pool, tmp_path / "master.key"))


def named(*texts: str) -> list[Identifier]:
    return [parse_identifier(text) for text in texts]


def one(vault: Vault, *texts: str) -> Person:
    [person] = vault.people([named(*texts)])
    assert person is not None
    return person


def test_a_new_customer_gets_a_stream_and_a_key_and_keeps_them(vault: Vault) -> None:
    ada = one(vault, "email:ada@example.org")
    assert one(vault, "email:ADA@example.org ") == ada
    assert one(vault, "email:bob@example.org").stream != ada.stream
    assert vault.key(ada.key_id, ada.stream) == ada.key


def test_more_identifiers_lead_to_the_same_customer(vault: Vault) -> None:
    ada = one(vault, "email:ada@example.org", "loyalty:77")
    assert one(vault, "loyalty:77") == ada
    assert one(vault, "crm:9", "loyalty:77") == ada
    assert vault.find("crm:9") == ada.stream


def test_where_identifiers_name_two_customers_the_subject_decides_and_nothing_moves(
    vault: Vault,
) -> None:
    ada, bob = one(vault, "crm:ada"), one(vault, "crm:bob")
    assert one(vault, "crm:ada", "crm:bob") == ada
    assert one(vault, "crm:bob") == bob


def test_no_later_event_moves_an_identifier_in_the_database(vault: Vault, pool: Pool) -> None:
    ada, bob = one(vault, "crm:ada", "phone:+441632960001"), one(vault, "crm:bob")
    before = identifier_rows(pool)
    one(vault, "crm:bob", "phone:+441632960001", "crm:ada")
    one(vault, f"customer:{bob.stream}", "phone:+441632960001")
    vault.people([named("crm:ada", "crm:bob"), named("crm:bob", "phone:+441632960001")])
    assert identifier_rows(pool) == before
    assert vault.find("phone:+441632960001") == ada.stream


def test_two_writers_that_learn_one_identifier_leave_it_with_the_first(
    vault: Vault, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second looked before the first had written: only the statement itself can refuse."""
    bob = one(vault, "crm:bob")
    first: list[Person] = []
    look = Batch._find_known  # pyright: ignore[reportPrivateUsage] - between look and write

    def look_and_be_overtaken(batch: Batch) -> None:
        look(batch)
        if not first:
            monkeypatch.setattr(Batch, "_find_known", look)
            first.append(one(vault, "crm:ada", "phone:+441632960001"))

    monkeypatch.setattr(Batch, "_find_known", look_and_be_overtaken)
    assert one(vault, "crm:bob", "phone:+441632960001") == bob
    [ada] = first
    assert vault.find("phone:+441632960001") == ada.stream
    assert [row[1] for row in identifier_rows(pool)].count(bob.stream) == 1


def identifier_rows(pool: Pool) -> list[Any]:
    """Which identifier belongs to whom, as it stands in the database."""
    with pool.connection() as connection:
        rows = connection.execute("SELECT lookup, stream, sealed FROM vault.identifiers ORDER BY 1")
        return rows.fetchall()


def test_new_identifiers_named_twice_in_one_batch_are_one_customer(vault: Vault) -> None:
    people = vault.people([named("crm:1"), named("crm:2", "crm:1"), named("crm:2")])
    assert people[0] is not None
    assert people == [people[0]] * 3


def test_a_customer_uuid_is_taken_only_if_it_exists(vault: Vault) -> None:
    ada = one(vault, "crm:ada")
    known, unknown = vault.people(
        [named(f"customer:{ada.stream}", "phone:+441632960001"), named(f"customer:{uuid4()}")]
    )
    assert known == ada
    assert unknown is None
    assert vault.find("phone:+441632960001") == ada.stream
    assert vault.find(str(ada.stream)) == ada.stream
    assert vault.find(str(uuid4())) is None


def test_a_reference_that_is_none_is_refused(vault: Vault) -> None:
    assert vault.find("crm:nobody") is None
    with pytest.raises(BadIdentifier):
        vault.find("nobody")


def test_concurrent_writers_agree_on_who_is_who(vault: Vault) -> None:
    batches = [[f"crm:{(start + number) % 40}" for number in range(40)] for start in range(8)]

    def resolve(texts: list[str]) -> dict[str, Any]:
        people = vault.people([named(text) for text in texts])
        return dict(zip(texts, people, strict=True))

    with ThreadPoolExecutor(8) as writers:
        answers = list(writers.map(resolve, batches))
    assert all(answer == answers[0] for answer in answers)
    assert len({person.stream for person in answers[0].values()}) == 40


def test_identifiers_stand_in_the_database_in_no_readable_form(vault: Vault, pool: Pool) -> None:
    canary = "canary@example.org"
    ada = one(vault, f"email:{canary}")
    with pool.connection() as connection:
        tables = ("vault.identifiers", "vault.keys", "vault.master")
        dump = "".join(
            str(connection.execute(f"SELECT t::text FROM {table} t").fetchall())  # pyright: ignore[reportArgumentType, reportCallIssue] - fixed names
            for table in tables
        ).lower()
    for text in (canary, f"email:{canary}"):
        plain = text.encode()
        for form in (plain, plain.hex().encode(), base64.b64encode(plain), text.encode("utf-16le")):
            assert form.decode("latin-1").lower() not in dump
        assert sha256(plain).hexdigest() not in dump
    assert ada.key.hex() not in dump
    assert vault.identifiers_of([ada.stream]) == {ada.stream: named(f"email:{canary}")}


def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(
    pool: Pool, tmp_path: Path
) -> None:
    path = tmp_path / "secrets" / "master.key"
    first = open_master(pool, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_master(pool, path).fingerprint() == first.fingerprint()


def test_a_lost_master_key_is_told_and_not_replaced(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    open_master(pool, path)
    path.unlink()
    with pytest.raises(MasterKeyMissing, match="Restore it from your backup"):
        open_master(pool, path)
    assert not path.exists()


def test_another_databases_master_key_is_told(
    vault_conninfo: str, pool: Pool, tmp_path: Path
) -> None:
    open_master(pool, tmp_path / "ours.key")
    MasterKeyFile.open(tmp_path / "theirs.key", create=True)
    with (
        make_pool(vault_conninfo, name="test") as other,
        pytest.raises(MasterKeyWrong, match="not the one this database was sealed with"),
    ):
        open_master(other, tmp_path / "theirs.key")


def test_a_file_that_is_no_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("hello")
    with pytest.raises(MasterKeyWrong, match="64 hexadecimal digits"):
        MasterKeyFile.open(tmp_path / "master.key", create=False)


def test_each_purpose_has_its_own_secret_and_wrapping_is_bound_to_the_name(tmp_path: Path) -> None:
    master = MasterKeyFile.open(tmp_path / "master.key", create=True)
    assert master.derive("one") != master.derive("two")
    wrapped = master.wrap(bytes(32), "ada/1")
    assert master.unwrap(wrapped, "ada/1") == bytes(32)
    with pytest.raises(MasterKeyWrong):
        master.unwrap(wrapped, "bob/1")
