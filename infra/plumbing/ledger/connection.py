"""A connection that reads with the same few queries again and again.

psycopg works out anew, for each cursor, how the columns of a query become Python values. For fifty
rows that is a tenth of the whole time, so a connection keeps a cursor for each of its queries.

To fall asleep and be woken by the answer takes a fifth of the time besides. So the only reader of
this process watches for its answer a moment; where several read, each leaves the processor to the
others and to the server.
"""

from __future__ import annotations

from select import POLLIN, poll
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import Connection
from psycopg.rows import tuple_row
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Cursor
    from psycopg.abc import PQGen

Result = TypeVar("Result")

MOST_KEPT_ROWS = 500
"""A cursor holds its last rows; one that had more of them is let go."""

MOMENT_SECONDS = 0.000_2
"""A customer's history is there by then; what takes longer gains little by being watched for."""
_reading: set[LedgerConnection] = set()


class LedgerConnection(Connection[Any]):
    """One of the ledger's connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without a cursor."""
        super().__init__(*args, **kwargs)
        self._readers: dict[bytes, Cursor[tuple[Any, ...]]] = {}
        self._poll = poll()
        self._poll.register(self.fileno(), POLLIN)

    def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        """Run what psycopg wants to wait for; its parameters."""
        watches = self in _reading and len(_reading) == 1
        return super().wait(self._watched(gen) if watches else gen, *args, **kwargs)

    def _watched(self, gen: PQGen[Result]) -> PQGen[Result]:
        """`gen`, with what is wanted first of all watched for before it is waited for."""
        until = perf_counter() + MOMENT_SECONDS
        try:
            wanted = next(gen)
            while True:
                while wanted is Wait.R and perf_counter() < until:
                    if self._poll.poll(0):
                        wanted = gen.send(Ready.R)
                wanted = gen.send((yield wanted))
        except StopIteration as end:
            return end.value

    def fetch(
        self, query: bytes, parameters: Mapping[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Every row of `query`, prepared, in binary. The queries are constants, so few are kept."""
        cursor = self._readers.get(query)
        if cursor is None:
            cursor = self.cursor(row_factory=tuple_row, binary=True)
            self._readers[query] = cursor
        _reading.add(self)
        try:
            rows = cursor.execute(query, parameters, prepare=True).fetchall()
        except Exception:
            raise
        except BaseException:  # whoever interrupts leaves an answer unread
            self.close()
            raise
        finally:
            _reading.discard(self)
        if len(rows) > MOST_KEPT_ROWS:
            del self._readers[query]
        return rows
