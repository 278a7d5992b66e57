"""Several statements in one turn, a COPY among them: what fails is told, the connection goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from infra.plumbing.ledger.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

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


def copy(exchange: Exchange, copies: list[bytes], parts: Iterable[bytes]) -> None:
    exchange.copy(copies, parts)
    exchange.answers()


def test_each_statement_answers(connection: psycopg.Connection[Any]) -> None:
    begun, told = Exchange(connection).ask(b"BEGIN; SELECT 7, NULL, 'ten'")
    assert begun.command_status == b"BEGIN"
    assert [told.get_value(0, column) for column in range(3)] == [b"7", None, b"ten"]
    connection.rollback()


def test_what_stands_behind_the_copies_is_done_in_the_same_turn(
    connection: psycopg.Connection[Any],
) -> None:
    last = COPY + b"; UPDATE numbers SET number = -number; COMMIT"
    parts = [lines(1, 2), b"", lines(3)]
    copy(Exchange(connection), [b"BEGIN; " + COPY, COPY, last], parts)
    found = connection.execute("SELECT number FROM numbers ORDER BY number").fetchall()
    assert found == [(-3,), (-2,), (-1,)]


@pytest.mark.parametrize("parts", [1, 60])
def test_more_than_a_socket_holds_is_copied(
    connection: psycopg.Connection[Any], parts: int
) -> None:
    each = [lines(*range(part, MANY, parts)) for part in range(parts)]
    copy(Exchange(connection), [COPY] * parts, each)
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
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        copy(Exchange(connection), [b"BEGIN; " + COPY + b"; COMMIT"], [lines(*range(MANY))])
    assert refused.value.diag.constraint_name == "numbers_pkey"
    connection.rollback()
    assert count(connection) == 1


def test_a_part_is_stored_while_the_next_is_made_and_a_refused_one_ends_it(
    connection: psycopg.Connection[Any],
) -> None:
    made: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(10):
            made.append(number)
            yield lines(7)

    with pytest.raises(psycopg.errors.UniqueViolation):
        Exchange(connection).copy([b"BEGIN; " + COPY, *[COPY] * 9], parts())
    assert made == [0, 1, 2]
    connection.rollback()


@pytest.mark.parametrize("after", [0, 1, 5])
def test_where_the_rows_cannot_be_made_the_copies_are_given_up(
    connection: psycopg.Connection[Any], after: int
) -> None:
    def parts() -> Iterator[bytes]:
        for part in range(after):
            yield lines(*range(part, MANY, 10))
        raise ZeroDivisionError

    exchange = Exchange(connection)
    with pytest.raises(ZeroDivisionError):
        exchange.copy([b"BEGIN; " + COPY, *[COPY] * 9], parts())
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
        copy(Exchange(connection), [query], [lines(*range(MANY))])
    assert connection.closed
