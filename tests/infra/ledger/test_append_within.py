"""An append as a part of the caller's own transaction: it stands or falls with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from infra.plumbing.ledger.answers import Stored
from infra.plumbing.ledger.append import Writer

if TYPE_CHECKING:
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger


def test_it_is_stored_when_the_caller_commits_and_not_before(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT 1")
        outcome = Writer().append_within(connection, make_event())
        assert isinstance(outcome, Stored)
        assert ledger.size() == 0
        connection.commit()
    assert ledger.size() == outcome.receipt.position == 1


def test_it_goes_when_the_caller_rolls_back_and_the_writer_forgets_it(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    """Another program then takes the very position: what was remembered would look true."""
    stream, writer = uuid4(), Writer()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        writer.append(connection, [make_event(stream=stream) for _ in range(2)])
        with connection.transaction(force_rollback=True):
            writer.append_within(connection, make_event(stream=stream))
        ledger.append([make_event()])
        writer.append(connection, [make_event(stream=stream) for _ in range(2)])

    versions = [fact.version for fact in ledger.facts_after(0) if fact.stream == stream]
    assert versions == [1, 2, 3, 4]


def test_without_a_transaction_it_is_refused(
    ledger: Ledger, conninfo: str, make_event: MakeEvent
) -> None:
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        pytest.raises(ValueError, match="Open a transaction first"),
    ):
        Writer().append_within(connection, make_event())
    assert ledger.size() == 0
