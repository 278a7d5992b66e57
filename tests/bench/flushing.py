"""A psycopg connection that finishes sending before it only listens. For the library's recorder.

psycopg 3.3.9 may stop sending a large message half-way in pipeline mode: after the last command
it flushes once and then waits for an answer alone. Over a Unix socket, whose buffer holds 208 kB,
client and server then wait for each other for ever (seen with the library's batches of 1,000).
Here a wait for an answer goes on sending what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import Connection
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

Result = TypeVar("Result")


class FlushingConnection(Connection[Any]):
    """A connection that cannot wait with half a message unsent."""

    def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        """Run what psycopg wants to wait for; its parameters."""
        return super().wait(_sending(gen, self.pgconn), *args, **kwargs)


def _sending(gen: PQGen[Result], pgconn: PGconn) -> PQGen[Result]:
    """`gen`, with every wait for reading also a wait for writing while anything is unsent."""
    try:
        wanted = next(gen)
        while True:
            wanted = gen.send((yield from _until(wanted, pgconn)))
    except StopIteration as end:
        return end.value


def _until(wanted: Wait, pgconn: PGconn) -> PQGen[Ready | int]:
    if wanted is Wait.R:
        while pgconn.flush():
            if (yield Wait.RW) & Ready.R:
                return Ready.R
    return (yield wanted)
