"""A program on a data folder, to be run, killed and asked to leave by the tests.

    python program.py <data folder> [--attach] [--account <uid>]

It opens the database, writes one more row, prints `ready <rows> <server pid or 0>` and stays until
its standard input closes. A refusal is printed as `refused <kind>: <sentence>`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import psycopg

from infra.plumbing.errors import HouseError
from infra.plumbing.postgres import cluster
from infra.plumbing.postgres.account import Account, server_programs
from infra.plumbing.postgres.database import Database, open_database
from infra.plumbing.settings import load_settings


def main() -> None:
    """Read the words, change the account if asked to, and hold the database."""
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("--attach", action="store_true")
    words.add_argument("--account", type=int)
    given = words.parse_args()
    if given.account is not None:
        _become(given.account)
    try:
        with open_database(
            load_settings(data_dir=given.folder), attach=given.attach, what="the test's program"
        ) as database:
            _say(f"ready {_one_more_row(database)} {_server(database)}")
            sys.stdin.read()
    except HouseError as error:
        _say(f"refused {type(error).__name__}: {error}")


def _become(uid: int) -> None:
    """Turn from root into an ordinary user; the programs are found while root still can."""
    programs = server_programs(Account(uid, uid))

    def found_before(account: Account | None) -> Path:
        return programs

    cluster.server_programs = found_before
    os.environ.pop("XDG_RUNTIME_DIR", None)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _one_more_row(database: Database) -> int:
    with psycopg.connect(database.owner_conninfo) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(1)")
        conn.execute("CREATE TABLE IF NOT EXISTS kept (number integer)")
        conn.execute("INSERT INTO kept SELECT count(*) + 1 FROM kept")
        row = conn.execute("SELECT count(*) FROM kept").fetchone()
    return int(row[0]) if row else 0


def _server(database: Database) -> int:
    return (database.embedded.pid or 0) if database.embedded else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
