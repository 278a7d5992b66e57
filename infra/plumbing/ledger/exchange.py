"""Queries of several statements, each answered in one turn on the wire, or beginning with a COPY.

psycopg takes four turns for what goes into an append; libpq (`psycopg.pq`) lets what ends a
transaction travel with its rows. Waiting is done by poll, so that other threads run meanwhile.
Texts come and go as PostgreSQL writes them: this is a door for the writer's few statements.
"""

from __future__ import annotations

from contextlib import suppress
from select import POLLIN, POLLOUT, poll
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection
    from psycopg.pq.abc import PGresult


class Exchange:
    """One psycopg connection, spoken to through libpq. Its transaction is the caller's to end."""

    def __init__(self, connection: Connection[Any]) -> None:
        """Speak over `connection`, which nobody else uses meanwhile and which is idle."""
        self._libpq = connection.pgconn
        self._poll = poll()
        self._poll.register(self._libpq.socket, POLLIN)

    def send(self, query: bytes) -> None:
        """Begin: one or more statements. The answer is fetched with `answers`."""
        self._libpq.send_query(query)
        self._libpq.flush()

    def answers(self) -> list[PGresult]:
        """One result a statement sent, or up to the COPY that now wants its rows.

        Raises:
            psycopg.Error: what PostgreSQL says to the first statement that failed, or that the
                connection is lost.
        """
        found: list[PGresult] = []
        while result := self._next():
            found.append(result)
            if result.status == ExecStatus.COPY_IN:
                break
        for result in found:
            if result.status == ExecStatus.FATAL_ERROR:
                raise self._failure(result)
        return found

    def settle(self) -> None:
        """Let what is under way end, whatever comes of it, so that the connection can go on.

        A COPY that still wants rows is given up, and so its transaction fails.
        """
        with suppress(psycopg.Error):
            while result := self._next():
                if result.status == ExecStatus.COPY_IN:
                    self._end_copy(b"given up")

    def ask(self, query: bytes) -> list[PGresult]:
        """Send, and wait for the answers.

        Raises:
            psycopg.Error: what PostgreSQL says, or that the connection is lost.
        """
        self.send(query)
        return self.answers()

    def copy(self, query: bytes, parts: Iterable[bytes]) -> list[PGresult]:
        """Send statements of which the first wants rows (COPY FROM STDIN), then `parts` of them.

        The first part is made while the server makes ready, each further one while it has those
        before. What is made goes to the server at once. A refused row is told at the end.

        Raises:
            psycopg.Error: what PostgreSQL says, or that the connection is lost.
        """
        self.send(query)
        for number, part in enumerate(parts):
            if number == 0:
                self.answers()
            while not self._libpq.put_copy_data(part):
                self._wait(POLLIN | POLLOUT)
            self._flush()  # libpq would let it lie
        self._end_copy(None)
        return self.answers()

    def _end_copy(self, error: bytes | None) -> None:
        while not self._libpq.put_copy_end(error):
            self._wait(POLLIN | POLLOUT)

    def _next(self) -> PGresult | None:
        self._flush()
        while self._libpq.is_busy():
            self._wait(POLLIN)
        return self._libpq.get_result()

    def _flush(self) -> None:
        """Until all is with the server, or in the socket: more than that does not pile up here."""
        while self._libpq.flush():
            self._wait(POLLIN | POLLOUT)

    def _wait(self, until: int) -> None:
        """Until something came or, if asked for, more can be sent."""
        self._poll.modify(self._libpq.socket, until)
        if any(event & ~POLLOUT for _, event in self._poll.poll()):
            self._libpq.consume_input()

    def _failure(self, result: PGresult) -> psycopg.Error:
        if self._libpq.status == ConnStatus.BAD:
            return psycopg.OperationalError(self._libpq.get_error_message())
        return error_from_result(result)
