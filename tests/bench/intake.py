"""I1 to I3: the way in over HTTP, and what an event costs outside PostgreSQL.

Customers are known to both before the clock runs, as most are in a shop's day. The sender shares
the cores with the server; it is the same for both.
"""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from events.catalog import catalog
from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.ledger import Ledger
from infra.plumbing.postgres.pool import make_pool
from infra.plumbing.vault.vault import Vault, open_master
from services.command.answers import batch_answer
from services.command.intake import Accepted, read_request
from services.command.media import Mode
from services.command.record import Recorder
from tests.bench.appending import Side
from tests.bench.peer_app import Versions
from tests.bench.row import OURS, PER_SECOND, Contest, Demand, Row
from tests.bench.servers import BATCH, Emitter, product, rival
from tests.bench.stores import Library
from tests.bench.workload import CUSTOMERS, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tests.bench.place import Place
from tests.bench.row import Task

ROUTE = "FastAPI over eventsourcing"
RECORDER = "eventsourcing, no HTTP"
PARSING = "orjson.loads"
BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 64
SINGLES = 4_000
PER_CUSTOMER = 10
"""Events a customer sends on average, as far as there are events."""
PARSES = 20
"""The same bytes are parsed so often, or the clock would be too coarse."""


def _emitter(task: Task) -> Emitter:
    return Emitter(max(1, min(CUSTOMERS, task.events // PER_CUSTOMER)))


def _contest(emitter: Emitter, sides: Mapping[str, Side], timed: int) -> Contest:
    """Sides that store the same events in each round, once they know every customer."""
    everyone = emitter.everyone()
    for side in sides.values():
        side.fill(everyone)

    def prepare() -> None:
        events = emitter.take(timed)
        for side in sides.values():
            side.formed = side.form(events)

    contenders = {name: _runner(side, timed) for name, side in sides.items()}
    return Contest(contenders, prepare, size=lambda: emitter.made)


def _runner(side: Side, timed: int) -> Callable[[], float]:
    return lambda: side.run(timed)


@contextmanager
def http_batches(place: Place, task: Task) -> Generator[Contest]:
    """Batches of 500 over HTTP; beside it the library's recorder with the same batches, bare."""
    with product(place) as ours, rival(place) as theirs, Library.open(place) as library:
        versions = Versions()
        sides = {
            OURS: Side(ours.batches, ours.sending(BATCH_CONNECTIONS), ours.introduce),
            ROUTE: Side(theirs.batches, theirs.sending(BATCH_CONNECTIONS), theirs.introduce),
            RECORDER: Side(lambda events: batches(versions.place(events), BATCH), library.append),
        }
        yield _contest(_emitter(task), sides, task.share(BATCH))


@contextmanager
def http_singles(place: Place, task: Task) -> Generator[Contest]:
    """An event a request, over 64 connections."""
    with product(place) as ours, rival(place) as theirs:
        sides = {
            OURS: Side(ours.singles, ours.sending(SINGLE_CONNECTIONS), ours.introduce),
            ROUTE: Side(theirs.singles, theirs.sending(SINGLE_CONNECTIONS), theirs.introduce),
        }
        yield _contest(_emitter(task), sides, min(SINGLES, task.share(SINGLE_CONNECTIONS)))


@contextmanager
def own_time(place: Place, task: Task) -> Generator[Contest]:
    """Processor time of our process for a batch, from its bytes to the answer's; no HTTP server.

    PostgreSQL works in processes of its own, so what remains is all that happens outside of it:
    reading, judging, sealing, hashing, packing, talking to it, and wording the receipts.
    """
    emitter = _emitter(task)
    bodies: list[bytes] = []
    with _recorder(place) as record:
        for part in batches(emitter.everyone(), BATCH):
            record(orjson.dumps(part))

        def prepare() -> None:
            events = emitter.take(task.share(BATCH))
            bodies[:] = [orjson.dumps(part) for part in batches(events, BATCH)]

        def timed(work: Callable[[bytes], object], times: int) -> float:
            began = time.process_time()
            for _ in range(times):
                for body in bodies:
                    work(body)
            return 1e6 * (time.process_time() - began) / (times * len(bodies) * BATCH)

        contenders = {
            OURS: lambda: timed(record, 1),
            PARSING: lambda: timed(orjson.loads, PARSES),
        }
        yield Contest(contenders, prepare, size=lambda: emitter.made)


@contextmanager
def _recorder(place: Place) -> Generator[Callable[[bytes], None]]:
    """The way of a batch through the command service, from bytes to bytes."""
    language = catalog()
    with (
        place.database(migrated=True) as database,
        make_pool(database.vault_conninfo, name="bench") as pool,
        Ledger.open(database.conninfo) as ledger,
    ):
        master = open_master(pool, place.folder / "master.key")
        recorder = Recorder(ledger, Vault(pool, master), pool, master, system_clock)

        def record(body: bytes) -> None:
            items = read_request(Mode.BATCH, (), body, language)
            accepted = [item for item in items if isinstance(item, Accepted)]
            answers = recorder.record(accepted)
            ids = [item.event_id for item in accepted]
            if batch_answer(list(zip(ids, answers, strict=True))).status_code != HTTPStatus.OK:
                raise AssertionError("Intake refused an event of the bench.")

        gc.collect()
        gc.freeze()  # as the server does before its first request
        yield record


ROWS = (
    Row(
        "I1",
        "HTTP, batches of 500",
        PER_SECOND,
        (Demand(ROUTE, 2.0), Demand(RECORDER, 1.3)),
        http_batches,
    ),
    Row(
        "I2",
        "HTTP, singles, 64 connections",
        PER_SECOND,
        (Demand(ROUTE, 10.0),),
        http_singles,
        events=24_000,
    ),
    Row(
        "I3",
        "outside PostgreSQL, batch of 500",
        "us/event",
        (Demand(PARSING, 15.0, at_most=True),),
        own_time,
        events=50_000,
    ),
)
