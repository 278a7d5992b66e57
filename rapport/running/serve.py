"""HTTP: one application out of the services' routers, served on one port."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from infra.plumbing.access import Access
from infra.plumbing.errors import PortTaken
from infra.plumbing.http import auth, problems
from infra.plumbing.http.problems import Problem
from infra.plumbing.ledger.covered import CheckpointWatch
from infra.plumbing.ledger.errors import LedgerWentBack
from infra.plumbing.ledger.kept import read_refusal
from infra.plumbing.ledger.probe import Probe
from infra.plumbing.ledger.tiles import TileWriter
from infra.plumbing.postgres.pool import session_conninfo
from infra.plumbing.vault.rewriting import Rewriter
from services.command.audit.routes import build_router as audit_router
from services.command.audit.service import Audit
from services.command.privacy.journal import NAME as JOURNAL
from services.command.privacy.journal import Journal
from services.command.privacy.routes import build_router as privacy_router
from services.command.replay_routes import build_router as quarantine_router
from services.command.routes import install as install_intake
from services.command.service import CommandService
from services.projections.routes import build_router as projection_router
from services.projections.service import ProjectionService
from services.projections.web.lost import install_lost_page
from services.projections.web.pages import build_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from enum import Enum

    from rapport.running.house import House

    Loop = tuple[str, Callable[[Event], object]]

VERSION = "0.1.0"
FAREWELL_SECONDS = 5
KEEP_ALIVE_SECONDS = 30
COLLECT_AFTER = 10_000
"""Objects made before the garbage collector looks at the young ones; a request makes hundreds."""


def take_port(host: str, port: int) -> socket.socket:
    """A socket bound to the address, so that a taken port is told before anything is started.

    Raises:
        PortTaken: another program listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(1024)
    except OSError as error:
        taken.close()
        raise PortTaken(
            f"Cannot listen on {host}:{port} ({error.strerror}). Stop the program that uses it, "
            "or choose another with --port."
        ) from error
    return taken


def url_of(taken: socket.socket) -> str:
    """The address of a bound socket as a URL."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build_app(
    house: House,
    *,
    command: CommandService | None = None,
    projections: ProjectionService | None = None,
) -> FastAPI:
    """Intake, queries with their pages, or both, over one house."""
    app = FastAPI(
        title="Rapport",
        version=VERSION,
        summary="Customer relationships as a history of events.",
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # asked at every request
    )
    access = Access(house.vault_pool)
    problems.install(app)
    auth.install(app, access)
    if command is not None:
        install_intake(app, command)
        audit = Audit(house.ledger, house.vault, command.recorder, house.catalog)
        app.include_router(audit_router(audit))
        app.include_router(privacy_router(command.privacy))
        app.include_router(quarantine_router(command.quarantine))
    if projections is not None:
        app.include_router(projection_router(projections))
        app.include_router(build_pages(projections.answers, access))
        install_lost_page(app)
    _add_health(app, house)
    return app


def command_service(house: House) -> CommandService:
    """The service that decides and records; use it in a `with`.

    Whoever was erased since a backup that was restored is erased again before this returns.

    Raises:
        JournalDamaged: the list of them cannot be read.
    """
    service = CommandService(
        ledger=house.ledger,
        vault=house.vault,
        pool=house.vault_pool,
        master=house.master,
        catalog=house.catalog,
        rewrite=Rewriter(session_conninfo(house.database.owner_conninfo, "rewriting")).rewrite,
        journal=Journal(house.settings.data_dir / JOURNAL),
    )
    try:
        service.privacy.do_again()
    except BaseException:
        service.close()
        raise
    return service


def projection_service(house: House) -> ProjectionService:
    """The service that remembers and answers; its tables are there afterwards."""
    service = ProjectionService(house.ledger, house.pool, house.vault, house.catalog)
    service.prepare()
    return service


def loops(house: House, command: CommandService) -> list[Loop]:
    """What a program that records does beside answering HTTP, each for `in_background`."""
    return [
        ("proposals", command.run_proposals),
        ("privacy", command.run_privacy),
        ("quarantine", command.run_quarantine),
        ("tiles", TileWriter(house.pool).run),
        ("checkpoints", CheckpointWatch(house.pool).run),
        ("revoked keys", house.watch_keys),
    ]


def _add_health(app: FastAPI, house: House) -> None:
    probe = Probe(house.database.conninfo)

    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def readyz() -> JSONResponse:
        written = house.ledger.written  # read first: more may be written while we ask
        seen = await probe.look()
        if seen is None:
            raise Problem("unavailable", "The database does not answer just now. Ask again.")
        if seen.recorded < written:
            raise Problem("unavailable", str(LedgerWentBack(seen.recorded, written)))
        refusal = await asyncio.to_thread(read_refusal, house.settings.checkpoints_path)
        if refusal is not None:
            raise Problem("unavailable", f"The signer refuses this log. {refusal}")
        return JSONResponse(
            {"status": "ready", "recorded": seen.recorded, "checkpoint": seen.told()}
        )

    tags: list[str | Enum] = ["operations"]
    app.add_api_route("/healthz", healthz, tags=tags, summary="The program runs")
    app.add_api_route("/readyz", readyz, tags=tags, summary="The program can do its work")


class _Server(uvicorn.Server):
    """uvicorn, telling when it takes requests."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(app: FastAPI, taken: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=FAREWELL_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    gc.collect()
    gc.freeze()  # schemas, validators and modules stay: the collector need not walk them again
    gc.set_threshold(COLLECT_AFTER)
    _Server(config, on_ready).run(sockets=[taken])


@contextmanager
def in_background(works: Sequence[Loop]) -> Generator[Event]:
    """Run loops in threads for the length of a `with`; each takes the event that ends it.

    A loop that fails ends the program in good order (SIGTERM to ourselves), and its error is
    raised at the end of the `with`: half a platform must not go on as if it were whole.
    """
    stop = Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[Event], object]) -> None:
        try:
            work(stop)
        except BaseException as failure:  # noqa: BLE001 - raised again by whoever waits for us
            failures.append(failure)
            os.kill(os.getpid(), signal.SIGTERM)

    threads = [Thread(target=guarded, args=(work,), name=name, daemon=True) for name, work in works]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
