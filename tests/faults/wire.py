"""A wire between a client and a server that loses some of the server's answers.

The request has reached the server and was worked on; the client never hears of it. That is the one
case in which nobody at the client's end can know what happened.
"""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from random import Random

CHUNK_BYTES = 65_536


class Loss:
    """Says which answers are lost: about one in `one_in` of those with `mark`, `most` in all.

    None is lost before `begun` is set.
    """

    def __init__(self, dice: Random, mark: bytes, *, one_in: int, most: int) -> None:
        self._dice = dice
        self._mark = mark
        self._one_in = one_in
        self._most = most
        self._lock = Lock()
        self.lost = 0
        self.begun = Event()
        self.all_lost = Event()

    def takes(self, answer: bytes) -> bool:
        """Whether this answer is lost."""
        if self._mark not in answer or not self.begun.is_set():
            return False
        with self._lock:
            if self.lost >= self._most or self._dice.randrange(self._one_in):
                return False
            self.lost += 1
            if self.lost == self._most:
                self.all_lost.set()
            return True


class Wire:
    """Carries every connection made to `listener` on to `reach()`, in a thread each."""

    def __init__(
        self, listener: socket.socket, reach: Callable[[], socket.socket], loss: Loss
    ) -> None:
        self._listener = listener
        self._reach = reach
        self._loss = loss
        self._bell, self._end = socket.socketpair()
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Cut every connection."""
        self._end.close()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._bell.close()

    def _accept(self) -> None:
        while self._bell not in (ready := select.select([self._listener, self._bell], [], [])[0]):
            if self._listener in ready:
                client, _ = self._listener.accept()
                thread = Thread(target=self._carry, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        """Until either end hangs up, an answer is lost, or the wire is closed."""
        with client, suppress(OSError), self._reach() as server:
            while self._bell not in (
                ready := select.select([client, server, self._bell], [], [])[0]
            ):
                if client in ready:
                    server.sendall(_some(client))
                if server in ready:
                    answer = _some(server)
                    if self._loss.takes(answer):
                        return
                    client.sendall(answer)


def _some(sender: socket.socket) -> bytes:
    data = sender.recv(CHUNK_BYTES)
    if not data:
        raise ConnectionResetError
    return data


@contextmanager
def http_wire(url: Callable[[], str], loss: Loss) -> Generator[str]:
    """The URL of a wire to whatever `url()` names at that moment."""

    def reach() -> socket.socket:
        host, port = url().removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)))

    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    wire = Wire(listener, reach, loss)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        wire.close()


@contextmanager
def postgres_wire(folder: Path, server: str, loss: Loss) -> Generator[None]:
    """A wire to the PostgreSQL socket `server`, under PostgreSQL's usual name in `folder`."""

    def reach() -> socket.socket:
        reached = socket.socket(socket.AF_UNIX)
        reached.connect(server)
        return reached

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.5432"))
    listener.listen(64)
    wire = Wire(listener, reach, loss)
    try:
        yield
    finally:
        wire.close()
