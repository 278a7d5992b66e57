"""The lines of an export as checked blocks: by us, and by helping processes where there are many.

A helper is a bare Python that knows `lines.py` alone and is soon at work. It is given lines while
it has few before it; what is left over we check here. One that cannot be started, or ends, costs
time and nothing else: its lines are checked here too.
"""

from __future__ import annotations

import marshal
import os
import re
import subprocess
import sys
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from select import POLLIN, poll
from typing import IO, TYPE_CHECKING

import pybase64

from infra.plumbing.ledger.helper import LENGTH, QUESTION, keep_freed_memory
from infra.plumbing.ledger.lines import Block, check_lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

CHUNK_BYTES = 1 << 18
"""Small enough that what is made of it stays near the processor, and two answers in a pipe."""
MOST_LINE_BYTES = 64 << 20
HELPERS_FROM_BYTES = 8 << 20
"""For each so much a helper is started: with less, it saves less than its start takes."""
MOST_HELPERS = 8
MOST_ASKED = 2
"""Chunks before a helper: the next is there when it has done one."""
MOST_WAITING = 64
"""Chunks in memory of which the first is not checked yet."""

_SAYS = re.compile(rb'\{"position":([1-9][0-9]{0,17}),')
_PLACES = (Path(__file__).resolve().parents[3], Path(pybase64.__file__).resolve().parents[1])
"""Where a helper finds this program and the one package that it needs."""
_PROGRAM = (
    "import sys; path, *places = sys.argv[1:]; sys.path += places; "
    "from infra.plumbing.ledger.helper import serve; serve(path)"
)


@contextmanager
def checked_blocks(path: Path) -> Generator[Iterator[tuple[Block, bytes]]]:
    """The lines of a file as checked blocks with the bytes they were read from, in order."""
    others = min((os.cpu_count() or 1) - 1, MOST_HELPERS)
    wanted = min(others, path.stat().st_size // HELPERS_FROM_BYTES)
    keep_freed_memory()
    with ExitStack() as stack:
        helpers = [stack.enter_context(_helper(path)) for _ in range(wanted)]
        yield _shared(path, [helper for helper in helpers if helper is not None])


class _Chunk:
    """Whole lines. `says` is the position that stands in the first, 0 if none does.

    They are checked as if it were right, which is seen later: to count lines takes longer.
    """

    __slots__ = ("block", "read", "says")

    def __init__(self, read: bytes) -> None:
        """Nobody has checked them yet."""
        found = _SAYS.match(read)
        self.read, self.says = read, int(found[1]) if found else 0
        self.block: Block | None = None

    def check(self, first: int) -> Block:
        """Their block, the first line being at position `first`; checked here unless it was."""
        if self.block is None or self.says != first:
            self.says, self.block = first, check_lines(self.read, first)
        return self.block


class _Helper:
    """A process that checks lines. What it was asked is answered in the same order."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        """Speak to the process through its standard input and output, both without a buffer."""
        self._questions, self._answers = questions, answers
        self._ready = poll()
        self._ready.register(answers, POLLIN)
        self._asked: deque[_Chunk] = deque()
        self._works = True

    def ask(self, chunk: _Chunk, start: int) -> bool:
        """Let it check a chunk that begins at the byte `start`; False if it has enough to do."""
        if not self._works or len(self._asked) >= MOST_ASKED:
            return False
        try:
            self._questions.write(QUESTION.pack(start, len(chunk.read), chunk.says))
        except OSError:
            self._works = False
            return False
        self._asked.append(chunk)
        return True

    def take_answers(self, until: _Chunk | None = None) -> None:
        """Take what it has found by now; wait for what it finds about the chunk `until`."""
        while self._asked and (until in self._asked or self._ready.poll(0)):
            try:
                (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
                self._asked[0].block = Block(*marshal.loads(self._exactly(length)))  # noqa: S302 - our own helper wrote it
            except (OSError, EOFError):
                self._works = False
                self._asked.clear()
            else:
                self._asked.popleft()

    def _exactly(self, count: int) -> bytes:
        """The next bytes, which may come in pieces.

        Raises:
            EOFError: it has ended.
        """
        found = self._answers.read(count)
        while len(found) < count:
            more = self._answers.read(count - len(found))
            if not more:
                raise EOFError
            found += more
        return found


@contextmanager
def _helper(path: Path) -> Generator[_Helper | None]:
    """A helper for the file at `path`, if one can be started."""
    program = [sys.executable, "-I", "-S", "-c", _PROGRAM, path, *_PLACES]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        process = subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=nowhere, bufsize=0)
    except OSError:
        yield None
        return
    with process:
        try:
            ways = process.stdin, process.stdout
            yield None if ways[0] is None or ways[1] is None else _Helper(ways[0], ways[1])
        finally:
            process.kill()


def _shared(path: Path, helpers: Sequence[_Helper]) -> Iterator[tuple[Block, bytes]]:
    """Helpers read their lines themselves: sending them the bytes would take longer."""
    waiting: deque[_Chunk] = deque()
    start, first = 0, 1
    for read in _chunks(path):
        chunk = _Chunk(read)
        waiting.append(chunk)
        if not any(helper.ask(chunk, start) for helper in helpers):
            chunk.check(chunk.says)
        start += len(read)
        for helper in helpers:
            helper.take_answers(until=waiting[0] if len(waiting) > MOST_WAITING else None)
        while waiting and waiting[0].block is not None:
            done = waiting.popleft()
            block = done.check(first)
            yield block, done.read
            first += block.count
    for chunk in waiting:
        for helper in helpers:
            helper.take_answers(until=chunk)
        block = chunk.check(first)
        yield block, chunk.read
        first += block.count


def _chunks(path: Path) -> Iterator[bytes]:
    """Whole lines, about CHUNK_BYTES of them at a time."""
    start = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            end = chunk.rfind(b"\n") + 1
            lines = chunk[:end] if end else _line(path, start)
            start += len(lines)
            file.seek(start)
            yield lines


def _line(path: Path, start: int) -> bytes:
    """One line longer than a chunk, or the last one if it has no end."""
    with path.open("rb") as file:
        file.seek(start)
        return file.readline(MOST_LINE_BYTES)
