"""Folds a copy of the ledger afresh, so that what stands in the read models can be compared.

The copy is a database of its own; the one under judgement is not touched.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.ledger import Ledger
from services.projections.discovery import find_read_models
from services.projections.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg.abc import Query

BOOKKEEPING = ("checkpoints", "versions", "timers", "refolded")
"""Tables of the schema `read` that are no read model."""
TIMERS = "SELECT model, stream, kind, due_at FROM read.timers"
"""Whether a timer has fired is news from the clock, not from the ledger."""
BATCH = 2000


@contextmanager
def folded_afresh(superuser: str) -> Generator[str]:
    """A copy of the database whose read models were folded anew, each to its own position."""
    name = f"fresh_{uuid4().hex}"
    admin = make_conninfo(superuser, dbname="postgres")
    origin = str(conninfo_to_dict(superuser)["dbname"])
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _execute(admin, copy.format(sql.Identifier(name), sql.Identifier(origin)))
    try:
        conninfo = make_conninfo(superuser, dbname=name)
        _fold(conninfo)
        yield conninfo
    finally:
        _execute(admin, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fingerprints(conninfo: str) -> dict[str, str]:
    """Of each read model's table and of the timers: a count and a hash of the sorted rows."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        queries = {
            name: sql.SQL("SELECT * FROM read.{}").format(sql.Identifier(name))
            for name in _tables(connection)
        }
        return {
            name: _fingerprint(connection, query)
            for name, query in {**queries, "timers": sql.SQL(TIMERS)}.items()
        }


def positions(conninfo: str) -> dict[str, int]:
    """Through which position each read model's table is folded."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return dict(connection.execute("SELECT name, position FROM read.checkpoints").fetchall())


def _fold(conninfo: str) -> None:
    reach = positions(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        emptied = [
            sql.Identifier("read", name) for name in (*_tables(connection), "timers", "checkpoints")
        ]
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(emptied)))
    for position, names in groupby(
        sorted(reach, key=lambda name: reach[name]), key=lambda name: reach[name]
    ):
        _fold_through(conninfo, position, set(names))


def _fold_through(conninfo: str, position: int, names: set[str]) -> None:
    found = [one for one in find_read_models() if f"{one.model.name}_v{one.model.version}" in names]
    with Ledger.open(conninfo) as ledger:
        worker = Worker.hire(conninfo, found, ledger, Event())
        assert worker is not None
        with worker:
            while worker.position < position:
                facts = ledger.facts_after(worker.position, min(BATCH, position - worker.position))
                assert facts, f"the ledger ends before position {position}"
                worker.take(facts, system_clock())


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'read'"
        " AND table_type = 'BASE TABLE' AND table_name <> ALL (%s) ORDER BY 1",
        [list(BOOKKEEPING)],
    )
    return [name for (name,) in rows]


def _fingerprint(connection: psycopg.Connection[Any], query: sql.Composed | sql.SQL) -> str:
    hashed = sql.SQL(
        "SELECT count(*) || ' rows ' || md5(coalesce(string_agg(line, '' ORDER BY line), ''))"
        " FROM (SELECT r::text AS line FROM ({}) AS r) AS lines"
    )
    [(found,)] = connection.execute(hashed.format(query)).fetchall()
    return found


def _execute(conninfo: str, statement: Query) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement)
