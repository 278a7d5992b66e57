"""The pages served for real on a loopback port, with the real access door, over given answers."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

from infra.plumbing.access import Access, create_login_token
from infra.plumbing.http import auth, problems
from services.projections.web.lost import install_lost_page
from services.projections.web.pages import build_pages

if TYPE_CHECKING:
    from collections.abc import Generator

    from infra.plumbing.postgres.pool import Pool
    from services.projections.web.ports import Answers


@dataclass(frozen=True)
class Site:
    """A running site: its address, and login addresses for it."""

    url: str
    pool: Pool

    def login_address(self, role: str = "admin") -> str:
        """A fresh one-time login address for a role."""
        with self.pool.connection() as conn:
            return f"{self.url}/login?token={create_login_token(conn, role)}"


def build_app(answers: Answers, pool: Pool) -> FastAPI:
    """The pages alone in an application, wired as the runner wires them."""
    app = FastAPI(openapi_url=None)
    access = Access(pool)
    auth.install(app, access)
    problems.install(app)
    app.include_router(build_pages(answers, access))
    install_lost_page(app)
    return app


@contextmanager
def served(answers: Answers, pool: Pool) -> Generator[Site]:
    """The site, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings: dict[str, Any] = {"log_level": "error", "lifespan": "off", "ws": "none"}
    server = uvicorn.Server(uvicorn.Config(build_app(answers, pool), **settings))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="site")
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", pool)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
