"""Past the framework's router, for the one address that is asked more often than all others.

The route stands in the application and its OpenAPI document like any other. But matching every
route, the stacks of context managers and the solving of parameters cost more than a small
request's own work, and this handler needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.requests import Request

from infra.plumbing.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    Handler = Callable[[Request], Awaitable[Response]]


def install(app: FastAPI, method: str, path: str, handler: Handler) -> None:
    """Let `handler` answer `method` at exactly `path` before `app` looks for a route.

    The innermost middleware: whatever else guards `app` guards this too. Before the first request.
    """
    app.user_middleware.append(Middleware(_Direct, method=method, path=path, handler=handler))


class _Direct:
    def __init__(self, app: ASGIApp, *, method: str, path: str, handler: Handler) -> None:
        self._app = app
        self._wanted = ("http", method, path)
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope["type"], scope.get("method"), scope.get("path")) != self._wanted:
            await self._app(scope, receive, send)
            return
        try:
            response = await self._handler(Request(scope, receive, send))
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)
