"""A destroyed key leaves the files too: looked for by its bytes in every file of the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.plumbing.postgres.pool import address
from infra.plumbing.vault.rewriting import NotYet, Rewriter
from tests.services.command.house import BATCH, complaint
from tests.services.command.privacy.office import ADA, about_ada

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres
    from tests.services.command.privacy.office import Office

BOB = "crm:bob"


@pytest.fixture
def superuser(postgres_server: EmbeddedPostgres, conninfo: str) -> str:
    return postgres_server.superuser_conninfo(address(conninfo).dbname)


def in_files(superuser: str, secrets: Iterable[bytes]) -> list[bytes]:
    """Those of `secrets` that stand in a file of the database, whatever table it belongs to."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        files = connection.execute(
            "SELECT pg_read_binary_file(folder || '/' || name, 0, 1 << 29, true)"
            " FROM (SELECT 'base/' || oid FROM pg_database WHERE datname = current_database())"
            " AS found (folder), pg_ls_dir(folder) AS name"
        ).fetchall()
    return [secret for secret in secrets if any(secret in (file or b"") for (file,) in files)]


def secrets_of(office: Office) -> list[bytes]:
    """Every wrapped key, and every name as it is sealed and looked up."""
    rows = office.house.rows(
        b"SELECT wrapped FROM vault.keys UNION SELECT lookup FROM vault.identifiers"
        b" UNION SELECT sealed FROM vault.identifiers"
    )
    return [bytes(secret) for (secret,) in rows]


def with_rewriter(office: Office, rewriter: Rewriter) -> None:
    """Let the office rewrite, as the platform does."""
    privacy = office.house.service.privacy
    means = privacy._means  # pyright: ignore[reportPrivateUsage] - wired so when it is built
    privacy._means = replace(means, rewrite=rewriter.rewrite)  # pyright: ignore[reportPrivateUsage] - the same


def test_no_file_holds_the_key_or_the_names_of_the_erased(
    office: Office, owner_conninfo: str, superuser: str
) -> None:
    office.house.post(about_ada())
    secrets = secrets_of(office)
    assert len(secrets) == 5
    assert in_files(superuser, secrets) == secrets
    plain = office.done("erase", ADA)
    assert in_files(superuser, secrets) == secrets, "without rewriting they stay"
    assert "not rewritten" in plain["certificate"]["kept"]

    office.house.post(complaint(id="b-1", subject=BOB))
    with_rewriter(office, Rewriter(owner_conninfo, rest_factor=0))
    secrets += secrets_of(office)
    told = office.done("erase", BOB)
    assert in_files(superuser, secrets) == []
    assert {each["store"]: each["count"] for each in told["stores"]}["files"] == 3
    assert "were rewritten" in told["certificate"]["kept"]
    assert told["certificate"]["position"] == office.house.ledger.size()


def test_the_key_of_what_was_withheld_leaves_the_files_too(
    office: Office, owner_conninfo: str, superuser: str
) -> None:
    with_rewriter(office, Rewriter(owner_conninfo))
    office.done("suppress", ADA)
    office.house.post(about_ada())
    secrets = secrets_of(office)
    assert in_files(superuser, secrets) == secrets != []
    office.done("erase", ADA)
    assert in_files(superuser, secrets) == []


def test_whoever_can_still_see_the_deleted_rows_is_waited_for(
    office: Office, owner_conninfo: str, superuser: str
) -> None:
    """A dump under way keeps them, and a rewriting would copy them."""
    office.house.post(about_ada())
    secrets = secrets_of(office)
    rewriter = Rewriter(owner_conninfo, rest_factor=0)
    with_rewriter(office, rewriter)
    with psycopg.connect(owner_conninfo) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT FROM ledger.head")
        asked = office.ask("erase", ADA).headers["location"]
        office.work()
        told = office.get(asked).json()
        assert (told["status"], told["waiting"]) == ("open", ["files"])
        with pytest.raises(NotYet):
            rewriter.rewrite(told_at(office))
    office.house.service.privacy._resting.clear()  # pyright: ignore[reportPrivateUsage] - a while later
    office.work()
    assert office.get(asked).json()["status"] == "done"
    assert in_files(superuser, secrets) == []


def test_a_table_somebody_holds_is_tried_again_and_holds_up_no_other_request(
    office: Office, owner_conninfo: str
) -> None:
    house = office.house
    house.post([about_ada(), complaint(id="b-1", subject=BOB)], BATCH)
    with_rewriter(office, Rewriter(owner_conninfo))
    with psycopg.connect(owner_conninfo) as holder:
        holder.execute("LOCK TABLE ops.quarantine IN ACCESS SHARE MODE")
        stuck = office.ask("erase", ADA).headers["location"]
        assert office.done("access", BOB)["status"] == "done"
        assert office.get(stuck).json()["waiting"] == ["files"]


def test_one_rewriting_serves_all_erasures_that_wait_and_then_rests(
    office: Office, owner_conninfo: str
) -> None:
    clock = [0.0]
    rewriter = Rewriter(owner_conninfo, rest_factor=10, clock=lambda: clock.pop() + 1)
    before = told_at(office)
    clock[:] = [1.0, 0.0]
    assert rewriter.rewrite(before) == 3
    assert rewriter.rewrite(before) == 3, "deleted before it began: no look at the clock"
    clock[:] = [5.0]
    with pytest.raises(NotYet) as early:
        rewriter.rewrite(told_at(office))
    assert early.value.seconds == 6
    clock[:] = [13.0, 12.0]
    assert rewriter.rewrite(told_at(office)) == 3


def test_whoever_does_not_own_the_tables_rewrites_none(office: Office, conninfo: str) -> None:
    assert Rewriter(conninfo).rewrite(told_at(office)) == 0


def told_at(office: Office) -> Any:
    """Now, by the database's clock."""
    [(now,)] = office.house.rows(b"SELECT clock_timestamp()")
    return now
