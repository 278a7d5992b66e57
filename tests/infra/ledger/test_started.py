"""At start the database must hold what was signed, whatever of the signed notes is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.ledger.kept import (
    LogReplaced,
    LogRewritten,
    LogRolledBack,
    SignerFileDamaged,
)
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.ledger.restored import start_new_log
from infra.plumbing.ledger.started import refuse_another_log
from infra.plumbing.ledger.tiles import TileWriter
from tests.infra.ledger.conftest import grow
from tests.infra.ledger.test_restored import NEW

if TYPE_CHECKING:
    import psycopg

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.ledger.signing import Places
    from infra.plumbing.postgres.pool import Pool
    from tests.infra.ledger.conftest import MakeEvent, Open


def test_a_leaf_changed_under_a_full_tile_is_found_and_a_wrong_tile_is_not_taken_for_one(  # noqa: PLR0913, PLR0917 - fixtures
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    pool: Pool,
    places: Places,
    owner: psycopg.Connection[Any],
    intruder: psycopg.Connection[Any],
) -> None:
    grow(ledger, make_event, 600)
    TileWriter(pool).once()
    open_signer().sign()
    intruder.execute("UPDATE ledger.tiles SET hashes = decode(repeat('00', 8192), 'hex')")
    with pool.connection() as application:
        refuse_another_log(application, places.published)
    quick = Prover(ledger.recorder.rows, 600)
    refuse_another_log(owner, places.published, lambda _: quick.root())
    intruder.execute("UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 3")
    with pytest.raises(LogRewritten):
        refuse_another_log(owner, places.published)


@pytest.mark.usefixtures("signed_then_rolled_back")
@pytest.mark.parametrize(
    "gone", [[], ["latest.checkpoint"], ["latest.checkpoint", "2026-01-05.checkpoint"]]
)
def test_deleting_one_note_does_not_lift_the_check(
    places: Places, owner: psycopg.Connection[Any], gone: list[str]
) -> None:
    for name in gone:
        (places.published / name).unlink()
    with pytest.raises(LogRolledBack, match="holds 4 events, but a checkpoint of 9"):
        refuse_another_log(owner, places.published)


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_a_note_that_nobody_signed_is_told(places: Places, owner: psycopg.Connection[Any]) -> None:
    latest = places.published / "latest.checkpoint"
    latest.write_text(latest.read_text().replace("\n9\n", "\n4\n"))
    with pytest.raises(SignerFileDamaged):
        refuse_another_log(owner, places.published)


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_notes_of_a_log_that_ended_here_do_not_stop_the_new_one(
    places: Places, owner: psycopg.Connection[Any]
) -> None:
    dated = places.published / "2026-01-04.checkpoint"
    dated.write_bytes((places.published / "latest.checkpoint").read_bytes())
    start_new_log(owner, places, NEW)
    refuse_another_log(owner, places.published)
    dated.rename(places.published / "latest.checkpoint")  # as if the new one was never published
    with pytest.raises(LogReplaced):
        refuse_another_log(owner, places.published)
