"""Promises P1 to P3 of the ledger: durable with a receipt, once, in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from infra.plumbing.ledger.answers import Conflict, Duplicate, Fenced, Receipt, Stored
from infra.plumbing.ledger.append import FEW
from infra.plumbing.ledger.errors import LedgerBusy, LedgerGap, LedgerWentBack, WrongVersion
from infra.plumbing.ledger.format import (
    NO_LEAF,
    FormatError,
    Frontier,
    Header,
    leaf_hash,
    pack_header,
)
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.placing import LARGEST_PART, PARTS, SMALLEST_PART
from infra.plumbing.postgres.pool import address
from tests.intrusion import switch_off_defences

if TYPE_CHECKING:
    from conftest import MakeEvent, Wire

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres


def receipt_of(outcome: object) -> Receipt:
    assert isinstance(outcome, Stored | Duplicate | Conflict)
    return outcome.receipt


def check_ledger(conninfo: str) -> int:
    """The checker: positions dense, versions dense, every leaf and the tree's edge recomputed."""
    frontier = Frontier()
    last: dict[object, tuple[int, bytes]] = {}
    recorded = None
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT position, stream, version, source, event_id, type, schema, occurred_at,"
            " recorded_at, key_id, body, coalesce(body_digest, sha256(body)), leaf"
            " FROM ledger.events ORDER BY position"
        ).fetchall()
        for number, row in enumerate(rows, start=1):
            position, stream, version, source, event_id, kind, schema, occurred, recorded_at = row[
                :9
            ]
            key_id, body, digest, leaf = row[9:]
            before = last.get(stream, (0, NO_LEAF))
            assert (position, version) == (number, before[0] + 1)
            assert recorded is None or recorded <= recorded_at
            assert digest == sha256(body).digest()
            names = (source, event_id, kind, schema)
            header = Header(stream, version, before[1], *names, occurred, recorded_at, key_id)
            assert leaf == leaf_hash(pack_header(header), digest)
            last[stream], recorded = (version, leaf), recorded_at
            frontier.push(leaf)
        head = connection.execute("SELECT size, frontier, streams FROM ledger.head").fetchone()
        numbered = connection.execute(
            "SELECT number, stream FROM ledger.streams ORDER BY number"
        ).fetchall()
    assert head == (len(rows), frontier.packed(), len(last))
    assert numbered == list(enumerate(last, start=1)), "in the order in which they came"
    return len(rows)


def test_an_event_is_stored_with_a_receipt_and_read_back(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    event = make_event(text="first")
    [outcome] = ledger.append([event])
    assert isinstance(outcome, Stored)
    assert (outcome.receipt.position, outcome.receipt.version) == (1, 1)
    [fact] = ledger.facts_after(0)
    assert (fact.stream, fact.event_id, fact.data) == (
        event.stream,
        event.event_id,
        {"text": "first"},
    )
    assert check_ledger(conninfo) == 1


def test_the_same_event_again_answers_the_first_receipt(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    stream = uuid4()
    [first] = ledger.append([make_event("a", stream=stream)])
    [again] = ledger.append([make_event("a", stream=stream)])
    assert again == Duplicate(receipt_of(first))
    assert ledger.size() == 1


def test_the_same_id_with_another_content_is_a_conflict_and_is_not_stored(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    [first] = ledger.append([make_event("a", text="one")])
    [other] = ledger.append([make_event("a", text="two")])
    assert other == Conflict(receipt_of(first))
    assert [fact.data for fact in ledger.facts_after(0)] == [{"text": "one"}]


def test_a_batch_may_hold_repeats_and_conflicts_of_itself(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    stream = uuid4()
    outcomes = ledger.append(
        [
            make_event("a", stream=stream),
            make_event("b", stream=stream),
            make_event("a", stream=stream),
            make_event("b", stream=stream, text="other"),
            make_event("c", stream=stream),
        ]
    )
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Stored, Stored, Duplicate, Conflict, Stored]
    assert [receipt_of(outcome).version for outcome in outcomes] == [1, 2, 1, 2, 3]
    assert check_ledger(conninfo) == 3


@pytest.mark.parametrize("size", [2, SMALLEST_PART + 1, FEW + 1, PARTS * LARGEST_PART + 1, 1_000])
def test_a_batch_of_any_size_is_stored_whole_or_not_at_all(
    ledger: Ledger, conninfo: str, make_event: MakeEvent, size: int
) -> None:
    stream = uuid4()
    good = [make_event(stream=stream) for _ in range(size)]
    refused = [
        (FormatError, good[-1]._replace(content_mac=b"short")),
        (FormatError, good[-1]._replace(key_id="k" * 65_536)),
        (WrongVersion, good[-1]._replace(expected_version=size + 7)),
    ]
    for error, last in refused:
        with pytest.raises(error):
            ledger.append([*good[:-1], last])
        assert ledger.size() == 0
    ledger.append(good)
    assert check_ledger(conninfo) == size


def test_nothing_to_append_takes_no_position(ledger: Ledger) -> None:
    assert ledger.append([]) == []
    assert ledger.size() == 0


def test_many_writers_leave_one_dense_order(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    streams = [uuid4() for _ in range(5)]

    def write(writer: int) -> None:
        for number in range(20):
            stream = streams[(writer + number) % len(streams)]
            batch = [make_event(f"{writer}/{number}/{each}", stream=stream) for each in range(3)]
            ledger.append(batch if number % 2 else batch[:1])

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(8)))
    assert check_ledger(conninfo) == 8 * (10 * 3 + 10)


def test_writers_that_send_the_same_events_store_each_once(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    stream = uuid4()
    batch = [make_event(f"e{number}", stream=stream) for number in range(50)]
    with ThreadPoolExecutor(6) as writers:
        answers = list(writers.map(ledger.append, [batch] * 6))
    stored = [outcome for answer in answers for outcome in answer if isinstance(outcome, Stored)]
    assert len(stored) == len(batch)
    assert len({receipt_of(outcome) for answer in answers for outcome in answer}) == len(batch)
    assert check_ledger(conninfo) == len(batch)


def test_a_decision_on_an_old_version_is_refused_whole(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    stream = uuid4()
    ledger.append([make_event(stream=stream, expected_version=0)])
    with pytest.raises(WrongVersion, match="expected at version 0 and is at 1"):
        ledger.append([make_event(), make_event(stream=stream, expected_version=0)])
    assert ledger.size() == 1


def test_a_fenced_customer_takes_no_more_events(
    ledger: Ledger, vault_conninfo: str, make_event: MakeEvent
) -> None:
    stream = uuid4()
    ledger.append([make_event("before", stream=stream)])
    with psycopg.connect(vault_conninfo) as connection:
        connection.execute("INSERT INTO vault.fences (stream) VALUES (%s)", [stream])
    outcomes = ledger.append([make_event("after", stream=stream), make_event("other")])
    assert outcomes[0] == Fenced(stream)
    assert isinstance(outcomes[1], Stored)
    assert ledger.size() == 2


@pytest.mark.parametrize("size", [1, 2, FEW + 1, 1_000])
def test_a_commit_whose_reply_is_lost_is_found_stored_and_not_written_twice(
    wired_conninfo: str, wire: Wire, conninfo: str, make_event: MakeEvent, size: int
) -> None:
    with Ledger.open(wired_conninfo) as ledger:
        ledger.append([make_event("warm"), make_event("warmer")])
        wire.lose_next_commit.set()
        outcomes = ledger.append([make_event(f"lost {number}") for number in range(size)])
        assert wire.lost.is_set()
        assert {type(outcome) for outcome in outcomes} == {Stored}
        positions = [receipt_of(outcome).position for outcome in outcomes]
        assert positions == list(range(3, size + 3))
    assert check_ledger(conninfo) == size + 2


def test_the_library_application_is_told_stored_when_the_commits_reply_is_lost(
    wired_conninfo: str, wire: Wire, conninfo: str
) -> None:
    from eventsourcing.persistence import StoredEvent  # noqa: PLC0415 - one test only

    with Ledger.open(wired_conninfo) as ledger:
        event = StoredEvent(uuid4(), 1, "decision", b"state")
        wire.lose_next_commit.set()
        assert ledger.recorder.insert_events([event]) == [1]
        assert wire.lost.is_set()
    assert check_ledger(conninfo) == 1


def test_a_head_lock_that_is_not_free_in_time_says_busy(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with ledger.recorder.datastore.get_connection() as connection:
        connection.execute("SET lock_timeout = '50ms'")  # the pool's only connection so far
    with psycopg.connect(conninfo) as holder:
        holder.execute("SELECT 1 FROM ledger.head FOR UPDATE")
        with pytest.raises(LedgerBusy, match="not free in time"):
            ledger.append([make_event("a")])
    assert isinstance(ledger.append([make_event("a")])[0], Stored)


def test_a_reader_stops_loudly_at_a_hole(
    ledger: Ledger, intruder: psycopg.Connection[Any], make_event: MakeEvent
) -> None:
    ledger.append([make_event() for _ in range(3)])
    intruder.execute("DELETE FROM ledger.rows WHERE position = 2")
    with pytest.raises(LedgerGap, match="After position 1 the ledger goes on at 3"):
        ledger.facts_after(0)
    with pytest.raises(LedgerGap, match="After position 1 the ledger goes on at 3"):
        ledger.recorder.select_notifications(1, 10)


def test_history_is_cut_by_when_it_happened_was_recorded_or_stood(
    ledger: Ledger, make_event: MakeEvent
) -> None:
    stream = uuid4()
    ledger.append([make_event("june", stream=stream, time="2026-06-01T00:00:00Z")])
    ledger.append([make_event()])
    ledger.append([make_event("may", stream=stream, time="2026-05-01T00:00:00Z")])
    june, may = ledger.history(stream)
    assert (june.event_id, may.event_id) == ("june", "may")
    assert ledger.history(stream, as_of=may.occurred_at) == [may]
    assert ledger.history(stream, known_at=june.recorded_at) == [june]
    assert ledger.history(stream, up_to=2) == [june]
    assert ledger.history(uuid4()) == []


def test_recorded_at_never_decreases_even_if_the_clock_was_an_hour_ahead(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    ledger.append([make_event()])
    with psycopg.connect(conninfo) as connection:
        ahead = connection.execute(
            "UPDATE ledger.head SET recorded_at = now() + interval '1 hour' RETURNING recorded_at"
        ).fetchone()
    assert ahead is not None
    for _ in range(2):
        ledger.append([make_event(), make_event()])
    recorded = [fact.recorded_at for fact in ledger.facts_after(0)]
    assert recorded == sorted(recorded)
    assert recorded[1:] == [ahead[0]] * 4
    assert check_ledger(conninfo) == 5


def test_a_commit_is_waited_for_whatever_the_database_says(
    conninfo: str, owner_conninfo: str
) -> None:
    with psycopg.connect(owner_conninfo, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    with Ledger.open(conninfo) as ledger:
        for _ in range(3):
            assert ledger.recorder.rows(b"SHOW synchronous_commit", {}) == [("on",)]


@pytest.mark.parametrize("size", [1, 3])
def test_nothing_is_appended_to_a_ledger_that_was_set_back(
    ledger: Ledger,
    postgres_server: EmbeddedPostgres,
    conninfo: str,
    make_event: MakeEvent,
    size: int,
) -> None:
    ledger.append([make_event() for _ in range(4)])
    set_back(postgres_server.superuser_conninfo(address(conninfo).dbname), 3)
    with pytest.raises(LedgerWentBack, match="ends at position 3, and this program wrote up to 4"):
        ledger.append([make_event() for _ in range(size)])
    assert ledger.size() == 3
    with Ledger.open(conninfo) as other:  # a program that starts is told by the checkpoints
        assert receipt_of(other.append([make_event()])[0]).position == 4


@pytest.mark.parametrize("single_before", [False, True])
def test_what_was_remembered_of_a_log_that_was_set_back_and_grew_again_is_forgotten(
    ledger: Ledger,
    conninfo: str,
    make_event: MakeEvent,
    postgres_server: EmbeddedPostgres,
    *,
    single_before: bool,
) -> None:
    """The log is as long as this program left it, and another one."""
    stays, goes, comes = uuid4(), uuid4(), uuid4()
    ledger.append([make_event(stream=stays), make_event(stream=stays)])
    gone = [make_event(stream=goes), make_event(stream=goes)]
    for part in (gone[:1], gone[1:]) if single_before else (gone,):
        ledger.append(part)
    set_back(postgres_server.superuser_conninfo(address(conninfo).dbname), 2)
    with Ledger.open(conninfo) as other:
        other.append([make_event(stream=comes), make_event(stream=comes)])
    outcomes = ledger.append([make_event(stream=goes), make_event(stream=comes)])
    assert [receipt_of(outcome).version for outcome in outcomes] == [1, 3]
    assert [len(ledger.history(stream)) for stream in (stays, goes, comes)] == [2, 1, 3]
    assert check_ledger(conninfo) == 6


@pytest.mark.parametrize("size", [1, 3])
def test_a_stream_that_has_a_number_and_no_event_begins_under_it(
    ledger: Ledger,
    conninfo: str,
    make_event: MakeEvent,
    intruder: psycopg.Connection[Any],
    size: int,
) -> None:
    stream = uuid4()
    intruder.execute("INSERT INTO ledger.streams VALUES (1, %s)", [stream])
    intruder.execute("UPDATE ledger.head SET streams = 1")
    outcomes = ledger.append([make_event(stream=stream) for _ in range(size)])
    assert [receipt_of(outcome).version for outcome in outcomes] == list(range(1, size + 1))
    assert check_ledger(conninfo) == size


def set_back(superuser: str, size: int) -> None:
    """As a restore from an older backup would leave the ledger."""
    with psycopg.connect(superuser) as connection:
        switch_off_defences(connection)
        connection.execute("DELETE FROM ledger.rows WHERE position > %s", [size])
        leaves = connection.execute("SELECT leaf FROM ledger.events ORDER BY position")
        tree = Frontier()
        tree.extend([leaf for (leaf,) in leaves])
        connection.execute(
            "DELETE FROM ledger.streams WHERE number NOT IN (SELECT stream_number FROM ledger.rows)"
        )
        connection.execute(
            "UPDATE ledger.head SET size = %s, frontier = %s,"
            " streams = (SELECT count(*) FROM ledger.streams)",
            [size, tree.packed()],
        )
