"""Offices in processes of their own, to be killed: child.py CONNINFO MASTER_KEY.

For each line `STEP WHEN` it forks an office, answers its pid, and its end's signal when it came.
WHEN `within`: it kills itself in step STEP of an erasure, when all of the step is done but its
commit; `after`: behind that commit; `never`: it works until somebody kills it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from events.catalog import catalog
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.pool import make_pool
from infra.plumbing.vault.vault import Vault, open_master
from services.command.privacy import requests
from services.command.service import CommandService

if TYPE_CHECKING:
    from services.command.privacy.service import Privacy
    from services.command.privacy.values import Done


def main(conninfo: str, master_key: str) -> None:
    """Fork an office for each line on standard input."""
    tell("ready")
    for line in sys.stdin:
        step, when = line.split()
        pid = os.fork()
        if pid == 0:
            office(conninfo, Path(master_key), int(step), when)
        tell(pid)
        _, status = os.waitpid(pid, 0)
        tell(os.waitstatus_to_exitcode(status))


def tell(answer: object) -> None:
    """To the parent, on a line of its own: an office may have been killed in the middle of one."""
    os.write(sys.stdout.fileno(), f"\n{answer}\n".encode())


def office(conninfo: str, master_key: Path, step: int, when: str) -> None:
    """Work until killed."""
    with make_pool(conninfo, name="office") as pool, Ledger.open(conninfo) as ledger:
        master = open_master(pool, master_key)
        with CommandService(
            ledger=ledger,
            vault=Vault(pool, master),
            pool=pool,
            master=master,
            catalog=catalog(),
        ) as service:
            work(service.privacy, step, when)


def work(privacy: Privacy, step: int, when: str) -> None:
    """Advance until the step, or for ever."""
    noted = requests.note_step

    def note(connection: Any, request: Any, done: Done) -> None:
        noted(connection, request, done)
        if (done.number, when) == (step, "within"):
            os.kill(os.getpid(), signal.SIGKILL)

    requests.note_step = note
    done = 0
    while True:
        done += privacy.advance()
        if (done, when) == (step, "after"):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
