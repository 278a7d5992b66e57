"""Proofs from the database: with tiles, without them, behind them, and when leaves are gone."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from infra.plumbing.ledger.errors import LedgerChanged, LedgerGap
from infra.plumbing.ledger.format import Frontier, node_hash
from infra.plumbing.ledger.merkle import ProofError, verify_consistency, verify_inclusion
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.ledger.tile_repair import TilesRefused, rebuild_tiles
from infra.plumbing.ledger.tiles import TileReader, TileWriter, subtree_root

if TYPE_CHECKING:
    from psycopg import Connection

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from tests.infra.ledger.conftest import MakeEvent

MANY = 66_300
"""More than 256 full tiles of leaves, so that tile level 1 has a full tile too."""
COUNT = b"SELECT level, count(*), max(index) FROM ledger.tiles GROUP BY level ORDER BY level"


def append(ledger: Ledger, make_event: MakeEvent, count: int) -> None:
    streams = [uuid4() for _ in range(50)]
    for first in range(0, count, 5000):
        several = range(first, min(count, first + 5000))
        ledger.append([make_event(stream=streams[each % 50]) for each in several])


def leaves_of(ledger: Ledger) -> list[bytes]:
    rows = ledger.recorder.rows(b"SELECT leaf FROM ledger.events ORDER BY position", {})
    return [leaf for (leaf,) in rows]


def root_of_leaves(leaves: list[bytes]) -> bytes:
    edge = Frontier()
    edge.extend(leaves)
    return edge.root()


def fill(writer: TileWriter) -> None:
    while writer.once():
        pass


class Counted:
    """Reads as the ledger does, and counts what was read."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.queries = 0
        self.most_rows = 0

    def __call__(self, query: bytes, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        rows = self._ledger.recorder.rows(query, parameters)
        self.queries += 1
        self.most_rows = max(self.most_rows, len(rows))
        return rows


def assert_proved(ledger: Ledger, leaves: list[bytes], size: int, positions: list[int]) -> None:
    """Inclusion of `positions` and consistency from them are as the leaves alone say."""
    prover = Prover(ledger.recorder.rows, size)
    root = root_of_leaves(leaves[:size])
    assert prover.root() == root
    for position in positions:
        proof = prover.inclusion(position)
        assert verify_inclusion(leaves[position - 1], position - 1, size, proof, root)
        old_root = root_of_leaves(leaves[:position])
        assert verify_consistency(position, size, old_root, root, prover.consistency(position))


def test_a_subtree_root_is_hashed_pairwise() -> None:
    a, b, c, d = (bytes([each]) * 32 for each in range(4))
    assert subtree_root(a + b + c + d) == node_hash(node_hash(a, b), node_hash(c, d))
    assert subtree_root(a + b + c + d, 2, 2) == node_hash(c, d)
    assert subtree_root(a + b + c + d, 3, 1) == d


@pytest.mark.parametrize("tiled", [False, True])
def test_proofs_are_right_with_and_without_tiles(
    ledger: Ledger, pool: Pool, make_event: MakeEvent, *, tiled: bool
) -> None:
    append(ledger, make_event, 700)
    if tiled:
        fill(TileWriter(pool))
    leaves = leaves_of(ledger)
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 700):
        assert_proved(ledger, leaves, size, sorted({1, (size + 1) // 2, size}))


def test_full_tiles_are_stored_in_the_layout_and_nothing_else(
    ledger: Ledger, pool: Pool, make_event: MakeEvent
) -> None:
    append(ledger, make_event, 767)
    writer = TileWriter(pool)
    assert writer.once() == 2
    assert writer.once() == 0
    append(ledger, make_event, 1)
    assert writer.once() == 1
    leaves = leaves_of(ledger)
    stored = ledger.recorder.rows(b"SELECT * FROM ledger.tiles ORDER BY level, index", {})
    assert [row[:2] for row in stored] == [(0, 0), (0, 1), (0, 2)]
    for _, index, root, hashes in stored:
        assert hashes == b"".join(leaves[index * 256 : index * 256 + 256])
        assert root == root_of_leaves(leaves[index * 256 : index * 256 + 256])


def test_a_proof_in_a_log_of_two_tile_levels_reads_little(
    ledger: Ledger, pool: Pool, make_event: MakeEvent
) -> None:
    append(ledger, make_event, MANY)
    fill(TileWriter(pool))
    assert ledger.recorder.rows(COUNT, {}) == [(0, 258, 257), (1, 1, 0)]
    leaves = leaves_of(ledger)
    assert_proved(ledger, leaves, MANY, [1, 65_536, 65_537, 66_048, 66_049, MANY])
    assert_proved(ledger, leaves, 65_536, [40_000])
    counted = Counted(ledger)
    Prover(counted).inclusion(40_000)
    assert counted.queries <= 10
    assert counted.most_rows <= 255


def test_a_proof_before_the_writer_has_come_is_the_same(
    ledger: Ledger, pool: Pool, intruder: Connection[Any], make_event: MakeEvent
) -> None:
    append(ledger, make_event, MANY)
    bare = TileReader(ledger.recorder.rows, MANY)
    before = [bare.node(level, 0) for level in range(17)]
    fill(TileWriter(pool))
    intruder.execute(b"DELETE FROM ledger.tiles WHERE level = 0 AND index % 3 = 0")
    holed = TileReader(ledger.recorder.rows, MANY)
    assert [holed.node(level, 0) for level in range(17)] == before
    intruder.execute(b"DELETE FROM ledger.tiles WHERE level = 1")
    patched = TileReader(ledger.recorder.rows, MANY)
    assert [patched.node(level, 0) for level in range(17)] == before


def test_writers_side_by_side_leave_every_tile_once(
    ledger: Ledger, pool: Pool, make_event: MakeEvent
) -> None:
    append(ledger, make_event, 6000)
    writers = [Thread(target=fill, args=(TileWriter(pool),)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert ledger.recorder.rows(COUNT, {}) == [(0, 23, 22)]


def test_the_loop_stores_tiles_while_events_come_in_and_stops_when_told(
    ledger: Ledger, pool: Pool, make_event: MakeEvent
) -> None:
    stop = Event()
    loop = Thread(target=TileWriter(pool).run, args=(stop,))
    loop.start()
    try:
        append(ledger, make_event, 600)
        waited = Event()
        for _ in range(200):
            if ledger.recorder.rows(COUNT, {}) == [(0, 2, 1)]:
                break
            waited.wait(0.05)
        assert ledger.recorder.rows(COUNT, {}) == [(0, 2, 1)]
    finally:
        stop.set()
        loop.join()


def test_the_writer_stores_nothing_over_a_hole(
    ledger: Ledger, pool: Pool, intruder: Connection[Any], make_event: MakeEvent
) -> None:
    append(ledger, make_event, 600)
    intruder.execute(b"DELETE FROM ledger.rows WHERE position = 300")
    with pytest.raises(LedgerGap):
        TileWriter(pool).once()
    assert ledger.recorder.rows(COUNT, {}) == []


@pytest.mark.parametrize("position", [1, 300, 600])
def test_a_proof_over_a_removed_event_stops_loudly(
    ledger: Ledger, intruder: Connection[Any], make_event: MakeEvent, position: int
) -> None:
    append(ledger, make_event, 600)
    intruder.execute(b"DELETE FROM ledger.rows WHERE position = %s", (position,))
    words = f"After position {position - 1} the ledger goes on at {position + 1}."
    with pytest.raises(LedgerGap, match=words):
        Prover(ledger.recorder.rows).inclusion(513)


WRONG_TILES = {
    "hashes": b"UPDATE ledger.tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
    b" WHERE index = 0",
    "root": b"UPDATE ledger.tiles SET root = sha256('x') WHERE index = 1",
    "too early": b"INSERT INTO ledger.tiles SELECT 0, 2, sha256('x'),"
    b" decode(repeat('00', 32 * 256), 'hex')",
}


@pytest.mark.parametrize("wrong", WRONG_TILES)
def test_no_wrong_tile_gets_into_a_proof_and_the_owner_mends_it(  # noqa: PLR0913, PLR0917 - fixtures
    ledger: Ledger,
    pool: Pool,
    intruder: Connection[Any],
    owner: Connection[Any],
    make_event: MakeEvent,
    wrong: str,
) -> None:
    append(ledger, make_event, 600)
    fill(TileWriter(pool))
    intruder.execute(WRONG_TILES[wrong])
    append(ledger, make_event, 300)
    fill(TileWriter(pool))
    leaves = leaves_of(ledger)
    with capture_logs() as logs:
        for size in (1, 300, 600, 768, 900):
            assert_proved(ledger, leaves, size, sorted({1, (size + 1) // 2, size}))
    assert {entry["event"] for entry in logs} == {"stored_tile_wrong"}
    assert rebuild_tiles(owner) == 1
    with capture_logs() as logs:
        assert_proved(ledger, leaves, 900, [1, 300, 600, 900])
    assert logs == []
    assert rebuild_tiles(owner) == 0


def test_tiles_of_every_level_are_made_anew_as_the_writer_makes_them(
    ledger: Ledger, pool: Pool, owner: Connection[Any], make_event: MakeEvent
) -> None:
    append(ledger, make_event, MANY)
    fill(TileWriter(pool))
    stored = b"SELECT * FROM ledger.tiles ORDER BY level, index"
    before = ledger.recorder.rows(stored, {})
    assert rebuild_tiles(owner) == 0
    owner.execute("DELETE FROM ledger.tiles WHERE index % 5 = 0")
    assert rebuild_tiles(owner) == 53
    assert ledger.recorder.rows(stored, {}) == before


def test_changed_leaves_are_neither_proved_nor_made_into_tiles(
    ledger: Ledger, intruder: Connection[Any], owner: Connection[Any], make_event: MakeEvent
) -> None:
    append(ledger, make_event, 600)
    intruder.execute("UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 3")
    with pytest.raises(LedgerChanged, match="do not lead to the root"):
        Prover(ledger.recorder.rows).inclusion(1)
    with pytest.raises(LedgerChanged):
        Prover(ledger.recorder.rows, 599).root()
    with pytest.raises(TilesRefused, match="do not lead to the root"):
        rebuild_tiles(owner)
    intruder.execute("DELETE FROM ledger.rows WHERE position = 4")
    with pytest.raises(TilesRefused, match="After position 3"):
        rebuild_tiles(owner)
    assert ledger.recorder.rows(COUNT, {}) == []


@pytest.mark.parametrize("size", [-1, 4])
def test_more_than_is_recorded_is_not_proved(
    ledger: Ledger, make_event: MakeEvent, size: int
) -> None:
    append(ledger, make_event, 3)
    with pytest.raises(ProofError, match="has 3 events"):
        Prover(ledger.recorder.rows, size)


@pytest.mark.parametrize("position", [0, 3])
def test_a_position_outside_the_size_is_not_proved(
    ledger: Ledger, make_event: MakeEvent, position: int
) -> None:
    append(ledger, make_event, 3)
    with pytest.raises(ProofError, match="no position"):
        Prover(ledger.recorder.rows, 2).inclusion(position)
    with pytest.raises(ProofError, match="does not grow"):
        Prover(ledger.recorder.rows, 2).consistency(3)


def test_the_empty_ledger_has_the_empty_root(ledger: Ledger) -> None:
    assert Prover(ledger.recorder.rows).root() == root_of_leaves([])


def test_the_application_cannot_change_a_tile(
    ledger: Ledger, pool: Pool, make_event: MakeEvent
) -> None:
    append(ledger, make_event, 256)
    fill(TileWriter(pool))
    with pytest.raises(Exception, match="permission denied"), pool.connection() as connection:
        connection.execute(b"UPDATE ledger.tiles SET root = hashes")
