"""The library's own test cases over our recorder, and the traps its own recorder falls into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError, StoredEvent
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    TrackingRecorderTestCase,
)

from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.ledger.persistence import (
    LedgerFactory,
    UnsafeLibrarySetting,
    environment,
)
from infra.plumbing.ledger.recorder import LedgerRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsourcing.postgres import PostgresTrackingRecorder


class OverOurLedger:
    """Gives the library's cases a recorder made by our factory over a fresh database."""

    factory: LedgerFactory

    @pytest.fixture(autouse=True)
    def fresh_factory(self, conninfo: str) -> Iterator[None]:
        yield from self.make_factory(conninfo)

    def make_factory(self, conninfo: str) -> Iterator[None]:
        with LedgerFactory(environment(conninfo, connections=12)) as factory:
            self.factory = factory
            yield

    def create_recorder(self) -> LedgerRecorder:
        recorder = self.factory.application_recorder()
        assert type(recorder) is LedgerRecorder
        return recorder


class TestApplicationRecorder(OverOurLedger, ApplicationRecorderTestCase[LedgerRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OverOurLedger, NonInterleavingNotificationIDsBaseCase):
    insert_num = 1000


class TestTracking(OverOurLedger, TrackingRecorderTestCase):
    @pytest.fixture(autouse=True)
    def fresh_factory(self, owner_conninfo: str) -> Iterator[None]:
        yield from self.make_factory(owner_conninfo)  # the library's own recorder makes its table

    def create_recorder(self) -> PostgresTrackingRecorder:  # pyright: ignore[reportIncompatibleMethodOverride] - the other recorder
        return self.factory.tracking_recorder()


def test_the_setting_that_drops_the_lock_is_refused(conninfo: str) -> None:
    unsafe = {**environment(conninfo, connections=2), "POSTGRES_ENABLE_DB_FUNCTIONS": "yes"}
    with pytest.raises(UnsafeLibrarySetting, match="Unset it"):
        LedgerFactory(unsafe)


def test_a_database_without_a_ledger_is_told_to_migrate(empty_conninfo: str) -> None:
    with pytest.raises(ProgrammingError, match="run the migrations"):
        Ledger.open(empty_conninfo)


@pytest.mark.parametrize("first", [0, 1])
def test_a_library_stream_starts_at_0_or_1_and_is_dense_after_that(
    ledger: Ledger, first: int
) -> None:
    stream = uuid4()

    def event(version: int) -> StoredEvent:
        return StoredEvent(stream, version, "decision", b"\x80 not JSON")

    ledger.recorder.insert_events([event(first), event(first + 1)])
    with pytest.raises(IntegrityError, match="was expected at version"):
        ledger.recorder.insert_events([event(first + 3)])
    assert [each.originator_version for each in ledger.recorder.select_events(stream)] == [
        first,
        first + 1,
    ]


def test_a_library_stream_cannot_start_at_2(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError):
        ledger.recorder.insert_events([StoredEvent(uuid4(), 2, "decision", b"")])


def test_library_events_carry_a_deterministic_id_under_the_source_rapport(ledger: Ledger) -> None:
    stream = uuid4()
    ledger.recorder.insert_events([StoredEvent(stream, 1, "decision", b"state")])
    [fact] = ledger.facts_after(0)
    assert (fact.source, fact.event_id, fact.data) == ("rapport", f"{stream}/1", {})


def test_the_recorder_takes_nothing_beside_events(ledger: Ledger) -> None:
    extra: dict[str, Any] = {"tracking": object()}
    with pytest.raises(ProgrammingError, match="tracking"):
        ledger.recorder.insert_events([StoredEvent(uuid4(), 1, "decision", b"")], **extra)
