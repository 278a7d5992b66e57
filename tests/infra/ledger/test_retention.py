"""A body past its retention goes, and nothing else: leaves, digests and order stay as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest

from events.catalog import catalog
from events.retention import RETENTION, Cutoff, cutoffs
from infra.plumbing.ledger.answers import Duplicate, NewEvent
from infra.plumbing.ledger.format import Frontier, Header, leaf_hash, pack_header
from infra.plumbing.ledger.retention import sweep

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.ledger.ledger import Ledger
    from tests.infra.ledger.conftest import MakeEvent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAST = [Cutoff("note.taken", "1-0-0", "conversation", NOW - timedelta(days=3 * 365))]
OLD, YOUNG = "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
ADA, BOB = UUID(int=1, version=4), UUID(int=2, version=4)
KEPT = (
    "position, version, stream, source, event_id, type, schema, leaf, content_mac,"
    " coalesce(body_digest, sha256(body))"
)


@pytest.fixture
def owner(owner_conninfo: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(owner_conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture
def told(ledger: Ledger, make_event: MakeEvent) -> list[NewEvent]:
    """Seven notes of two customers, of whom four are old."""
    events = [
        make_event(f"e-{number}", stream=stream, text=f"text {number}", time=time)
        for number, (stream, time) in enumerate(
            [
                (ADA, OLD),
                (BOB, YOUNG),
                (ADA, YOUNG),
                (BOB, OLD),
                (ADA, OLD),
                (ADA, YOUNG),
                (BOB, OLD),
            ]
        )
    ]
    ledger.append(events)
    return events


def run(connection: psycopg.Connection[Any], *, drop: bool, part: int = 10_000) -> tuple[int, int]:
    """How many bodies were found past their time, and how many were dropped."""
    *_, last = sweep(connection, PAST, drop=drop, part=part)
    return last.events.total(), last.dropped


def bodies(connection: psycopg.Connection[Any]) -> list[bool]:
    query = "SELECT body IS NOT NULL FROM ledger.events ORDER BY position"
    return [there for (there,) in connection.execute(query)]


@pytest.mark.usefixtures("told")
def test_old_bodies_go_and_every_other_column_stays(owner: psycopg.Connection[Any]) -> None:
    kept = f"SELECT {KEPT} FROM ledger.events ORDER BY position".encode()
    before = owner.execute(kept).fetchall()
    assert run(owner, drop=True) == (4, 4)
    assert bodies(owner) == [False, True, True, False, False, True, False]
    assert owner.execute(kept).fetchall() == before


@pytest.mark.usefixtures("told")
def test_a_dry_run_counts_and_changes_nothing(
    owner: psycopg.Connection[Any], conninfo: str
) -> None:
    with psycopg.connect(conninfo, autocommit=True) as reader:
        assert run(reader, drop=False) == (4, 0)
    assert all(bodies(owner))
    assert owner.execute("TABLE ledger.removals").fetchall() == []


@pytest.mark.usefixtures("told")
def test_it_is_written_down_whose_bodies_went_which_when_why_and_by_whom(
    owner: psycopg.Connection[Any],
) -> None:
    run(owner, drop=True)
    rows = owner.execute(
        "SELECT what, stream, positions, reason, made_by, made_at > now() - interval '1 min'"
        " FROM ledger.removals ORDER BY id"
    ).fetchall()
    assert rows == [
        ("body", ADA, [1, 5], "retention", "rapport", True),
        ("body", BOB, [4, 7], "retention", "rapport", True),
    ]


@pytest.mark.usefixtures("told")
def test_the_tree_over_the_rows_is_the_heads_with_and_without_bodies(
    owner: psycopg.Connection[Any],
) -> None:
    run(owner, drop=True)
    [(size, edge)] = owner.execute("SELECT size, frontier FROM ledger.head")
    tree, last = Frontier(), dict[UUID, bytes]()
    columns = "stream, version, source, event_id, type, schema, occurred_at, recorded_at, key_id"
    digest = "coalesce(body_digest, sha256(body))"
    query = f"SELECT {columns}, {digest}, leaf FROM ledger.events ORDER BY position".encode()
    for stream, version, *rest, digest, leaf in owner.execute(query):
        header = Header(stream, version, last.get(stream, bytes(32)), *rest)
        assert leaf_hash(pack_header(header), digest) == leaf
        last[stream] = leaf
        tree.push(leaf)
    assert (tree.size, tree.packed()) == (size, edge)


def test_a_repeated_event_is_still_known_as_one(
    ledger: Ledger, told: list[NewEvent], owner: psycopg.Connection[Any]
) -> None:
    run(owner, drop=True)
    assert all(isinstance(outcome, Duplicate) for outcome in ledger.append(told))


@pytest.mark.usefixtures("told")
def test_a_reader_gets_the_fact_without_its_data(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    run(owner, drop=True)
    facts = ledger.facts_after(0)
    assert [fact.data for fact in facts[:2]] == [{}, {"text": "text 1"}]
    assert (facts[0].type, facts[0].event_id, facts[0].version) == ("note.taken", "e-0", 1)
    assert [fact.data for fact in ledger.history(ADA)] == [
        {},
        {"text": "text 2"},
        {},
        {"text": "text 5"},
    ]


@pytest.mark.usefixtures("told")
def test_a_run_broken_off_between_parts_is_done_again(owner: psycopg.Connection[Any]) -> None:
    parts = sweep(owner, PAST, drop=True, part=2)
    assert next(parts).dropped == 1
    parts.close()
    assert bodies(owner) == [False, True, True, True, True, True, True]
    assert run(owner, drop=True, part=2) == (3, 3)
    assert run(owner, drop=True, part=2) == (0, 0)
    [(removals,)] = owner.execute("SELECT count(*) FROM ledger.removals")
    assert removals == 4


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("part", [2, 3, 10_000])
def test_a_body_that_does_not_fit_its_leaf_is_not_dropped_and_the_others_are(
    owner: psycopg.Connection[Any], intruder: psycopg.Connection[Any], part: int
) -> None:
    change = "UPDATE ledger.rows SET body = %s WHERE position = %s RETURNING body"
    true = intruder.execute("SELECT body FROM ledger.events WHERE position = 4").fetchone()
    assert true is not None
    intruder.execute(change, (b'{"data":{"text":"never said"}}', 4))
    *_, counted = sweep(owner, PAST, drop=False, part=part)
    assert (counted.refused, counted.dropped) == ([4], 0)
    *_, last = sweep(owner, PAST, drop=True, part=part)
    assert (last.refused, last.dropped) == ([4], 3)
    assert bodies(owner) == [False, True, True, True, False, True, False]
    intruder.execute(change, (*true, 4))
    *_, last = sweep(owner, PAST, drop=True, part=part)
    assert (last.refused, last.dropped) == ([], 1)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "change",
    [
        "occurred_at = '2019-01-01'",
        "event_id = 'other'",
        "leaf = sha256(leaf)",
        "source = repeat('x', 70000)",
        "body_digest = sha256('other'), body = 'other'",
        "stream_number = 999",
    ],
)
def test_an_event_changed_in_any_other_column_keeps_its_body(
    owner: psycopg.Connection[Any], intruder: psycopg.Connection[Any], change: str
) -> None:
    intruder.execute(f"UPDATE ledger.rows SET {change} WHERE position = 7".encode())
    *_, last = sweep(owner, PAST, drop=True)
    assert (last.refused, last.dropped) == ([7], 3)


@pytest.mark.usefixtures("told")
def test_an_application_may_count_and_not_drop(
    owner: psycopg.Connection[Any], conninfo: str
) -> None:
    with (
        psycopg.connect(conninfo, autocommit=True) as application,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        run(application, drop=True)
    assert all(bodies(owner))


def test_only_what_happened_before_its_own_types_time_goes(
    ledger: Ledger, make_event: MakeEvent, owner: psycopg.Connection[Any]
) -> None:
    at = PAST[0].before
    ledger.append(
        [
            make_event(
                stream=uuid4(), time=f"{at + timedelta(microseconds=shift):%Y-%m-%dT%H:%M:%S.%fZ}"
            )
            for shift in (-1, 0)
        ]
    )
    assert run(owner, drop=True) == (1, 1)
    assert bodies(owner) == [False, True]


def test_every_type_that_is_not_kept_for_ever_has_its_cutoff() -> None:
    told = {(each.type, each.schema): each for each in cutoffs(catalog().types(), NOW)}
    for kind in catalog().types():
        days = RETENTION[kind.retention].keep_days
        cutoff = told.pop((kind.type, kind.version), None)
        assert (cutoff and NOW - cutoff.before) == (days and timedelta(days=days))
    assert not told
