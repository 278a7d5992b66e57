"""Several statements in one turn, a COPY among them: what fails is told, the connection goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from infra.plumbing.ledger.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

COPY = b"COPY numbers (number, text) FROM STDIN"
LINE = b"x" * 1_000
MANY = 12_000
"""Lines, of 1,000 bytes each: far more than a socket takes at once."""


@pytest.fixture
def connection(owner_conninfo: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(owner_conninfo, autocommit=True) as opened:
        opened.execute("CREATE TEMPORARY TABLE numbers (number int PRIMARY KEY, text text)")
        yield opened


def count(connection: psycopg.Connection[Any]) -> int:
    [(found,)] = connection.execute("SELECT count(*) FROM numbers")
    return found


def lines(*numbers: int) -> bytes:
    return b"".join(b"%d\t%b\n" % (number, LINE) for number in numbers)


def test_each_statement_answers(connection: psycopg.Connection[Any]) -> None:
    begun, told = Exchange(connection).ask(b"BEGIN; SELECT 7, NULL, 'ten'")
    assert begun.command_status == b"BEGIN"
    assert [told.get_value(0, column) for column in range(3)] == [b"7", None, b"ten"]
    connection.rollback()


def test_what_stands_behind_the_rows_is_done_in_the_same_turn(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("BEGIN")
    query = COPY + b"; UPDATE numbers SET number = -number; COMMIT"
    Exchange(connection).copy(query, [lines(1, 2), b"", lines(3)])
    assert connection.info.transaction_status == TransactionStatus.IDLE
    found = connection.execute("SELECT number FROM numbers ORDER BY number").fetchall()
    assert found == [(-3,), (-2,), (-1,)]


@pytest.mark.parametrize("parts", [1, 60])
def test_more_than_a_socket_holds_is_copied(
    connection: psycopg.Connection[Any], parts: int
) -> None:
    each = [lines(*range(part, MANY, parts)) for part in range(parts)]
    Exchange(connection).copy(COPY, each)
    assert count(connection) == MANY


def test_the_first_statement_that_fails_is_told_and_nothing_behind_it_is_done(
    connection: psycopg.Connection[Any],
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        Exchange(connection).ask(b"BEGIN; SELECT 1/0; INSERT INTO numbers VALUES (1); COMMIT")
    connection.rollback()
    assert count(connection) == 0


@pytest.mark.parametrize("twice_at", [0, MANY - 1])
def test_a_row_that_is_refused_is_told_by_its_constraint_and_the_commit_is_not_done(
    connection: psycopg.Connection[Any], twice_at: int
) -> None:
    connection.execute("INSERT INTO numbers VALUES (%s)", [twice_at])
    connection.execute("BEGIN")
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        Exchange(connection).copy(COPY + b"; COMMIT", [lines(*range(MANY))])
    assert refused.value.diag.constraint_name == "numbers_pkey"
    connection.rollback()
    assert count(connection) == 1


def test_a_refused_row_is_told_whatever_comes_behind_it(
    connection: psycopg.Connection[Any],
) -> None:
    parts = (lines(7, *range(at, at + 100)) for at in range(100, MANY, 100))
    with pytest.raises(psycopg.errors.UniqueViolation, match="7"):
        Exchange(connection).copy(COPY, parts)
    assert count(connection) == 0


@pytest.mark.parametrize("after", [0, 1, 5])
def test_where_the_rows_cannot_be_made_the_copy_is_given_up(
    connection: psycopg.Connection[Any], after: int
) -> None:
    connection.execute("BEGIN")

    def parts() -> Iterator[bytes]:
        for part in range(after):
            yield lines(*range(part, MANY, 10))
        raise ZeroDivisionError

    exchange = Exchange(connection)
    with pytest.raises(ZeroDivisionError):
        exchange.copy(COPY, parts())
    exchange.settle()
    assert connection.info.transaction_status == TransactionStatus.INERROR
    connection.rollback()
    assert count(connection) == 0


def test_what_was_sent_and_not_asked_after_is_settled(connection: psycopg.Connection[Any]) -> None:
    exchange = Exchange(connection)
    exchange.send(b"BEGIN; SELECT pg_sleep(0.1); SELECT 1/0")
    exchange.settle()
    connection.rollback()
    assert count(connection) == 0


@pytest.mark.parametrize("query", [b"SELECT 1", COPY])
def test_a_lost_connection_is_told(
    connection: psycopg.Connection[Any], intruder: psycopg.Connection[Any], query: bytes
) -> None:
    intruder.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        Exchange(connection).copy(query, [lines(*range(MANY))])
    assert connection.closed
