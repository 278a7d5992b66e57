"""A process that checks lines of an export for another one, until that one says no more.

Asked in `blocks.py`, which starts it bare: what is imported here must be little, and of packages
there is `pybase64` alone. A question is three numbers (where the lines begin in the file, how
many bytes they are, the position of the first), an answer its length and what a Block holds.
"""

from __future__ import annotations

import marshal
import signal
import struct
import sys

from infra.plumbing.ledger.lines import check_lines

QUESTION = struct.Struct(">QQQ")
LENGTH = struct.Struct(">I")
KEPT_BYTES = 16 << 20


def serve(path: str) -> None:
    """Answer questions about the file at `path`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides when to stop
    keep_freed_memory()
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    with open(path, "rb") as file:  # noqa: PTH123 - `pathlib` would lengthen the start
        while len(question := questions.read(QUESTION.size)) == QUESTION.size:
            start, length, first = QUESTION.unpack(question)
            file.seek(start)
            block = check_lines(file.read(length), first)
            answer = marshal.dumps((block.links, block.subtrees, block.bodies, block.fault))
            answers.write(LENGTH.pack(len(answer)) + answer)
            answers.flush()


def keep_freed_memory() -> None:
    """Make the C library keep what one chunk frees for the next, not give it back to the system.

    That of Linux keeps as much as it has once seen freed in one piece, and twice that at the end.
    """
    bytes(KEPT_BYTES)
