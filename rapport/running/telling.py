"""Sends each signed checkpoint to a webhook: in order, until it is taken, across restarts.

The queue is the database's table of checkpoints; what was taken last stands in a file beside the
signer's memory. Where nothing was taken yet, it begins with the newest checkpoint there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import structlog

from infra.plumbing.http.posting import post_once
from infra.plumbing.ledger.kept import PRIVATE, write_whole
from infra.plumbing.ledger.signing import SQL

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
DEADLINE_SECONDS = 10.0
HEADERS = {"content-type": "text/plain; charset=utf-8", "user-agent": "rapport-signer"}
TURN_SECONDS = 1.0
"""How long one turn may go on with what waits: signing must not wait for the webhook."""

log = structlog.get_logger("rapport.signer")


@dataclass(slots=True)
class Teller:
    """Tells `url` of the checkpoints of the log `origin`; `file` keeps how far it took them."""

    url: str
    file: Path
    origin: str
    pause: float = 0.0
    again_at: float = 0.0

    def turn(self, connection: Connection[Any]) -> None:
        """Send what waits, for about a second; what fails is tried again after a growing pause.

        Raises:
            SignerError: the file cannot be written.
        """
        until = monotonic() + TURN_SECONDS
        while self.again_at <= monotonic() < until:
            told = self._told(connection)
            rows = connection.execute(SQL["note_after"], {"size": told}).fetchall()
            if not rows:
                return
            [(size, note)] = rows
            if self._send(note):
                self._remember(size)

    def _send(self, note: str) -> bool:
        """True if it was taken."""
        try:
            answer = post_once(self.url, note.encode(), HEADERS, seconds=DEADLINE_SECONDS)
        except (httpx2.TransportError, TimeoutError) as error:
            log.warning("checkpoint not sent", error=type(error).__name__)
        else:
            if answer.taken:
                self.pause = self.again_at = 0.0
                return True
            log.warning("checkpoint not sent", status=answer.status)
        self.pause = min(LONGEST_PAUSE_SECONDS, 2 * self.pause or FIRST_PAUSE_SECONDS)
        self.again_at = monotonic() + self.pause
        return False

    def _told(self, connection: Connection[Any]) -> int:
        """The size of the last checkpoint that was taken."""
        try:
            told = orjson.loads(self.file.read_bytes())
            if told["origin"] == self.origin:
                return int(told["size"])
            newest = 0  # a new log: all of its checkpoints are still to be told
        except (OSError, ValueError, KeyError, TypeError):
            newest = connection.execute(SQL["signed"]).fetchall()[0][0] or 0
        self._remember(newest - 1)
        return newest - 1

    def _remember(self, size: int) -> None:
        write_whole(self.file, orjson.dumps({"origin": self.origin, "size": size}), PRIVATE)
