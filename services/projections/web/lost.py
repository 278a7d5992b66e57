"""An address that nothing answers: a person in a browser gets a page, a program its problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.plumbing.http.problems import on_http_exception
from services.projections.web.drawing import Drawing
from services.projections.web.route import dress

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

NOT_FOUND = 404


def install_lost_page(app: FastAPI) -> None:
    """Answer unknown addresses of `app` with a page where the asker reads HTML.

    Call it after `infra.plumbing.http.problems.install`.
    """
    drawing = Drawing()

    async def lost(request: Request, error: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return await on_http_exception(request, error)
        return dress(
            drawing.message(
                status=NOT_FOUND,
                title="No such page",
                words="Nothing is at this address.",
                cure="Look at the address again, or begin at the portfolio.",
            )
        )

    app.add_exception_handler(NOT_FOUND, lost)
