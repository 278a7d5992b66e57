"""The style sheet and the icon, read once, served under a name that holds their hash."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

HASH_CHARS = 16
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file: its address, its entity tag and its bytes."""

    path: str
    etag: str
    media_type: str
    body: bytes

    def respond(self, request: Request) -> Response:
        """The file, or 304 if the browser has this very one. Its name changes with its content."""
        headers = {"ETag": self.etag, "Cache-Control": FOREVER}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type=self.media_type, headers=headers)


@dataclass(frozen=True, slots=True)
class Assets:
    """The static files the pages name. `css` and `icon` are addresses."""

    all: tuple[Asset, ...]
    css: str
    icon: str


def load_assets() -> Assets:
    """Read the package's static files."""
    css = _asset("rapport.css", "text/css; charset=utf-8")
    icon = _asset("icon.svg", "image/svg+xml")
    return Assets((css, icon), css.path, icon.path)


def _asset(name: str, media_type: str) -> Asset:
    body = files("services.projections.web").joinpath("static", name).read_bytes()
    digest = sha256(body).hexdigest()[:HASH_CHARS]
    stem, _, ending = name.rpartition(".")
    return Asset(f"/static/{stem}-{digest}.{ending}", f'"{digest}"', media_type, body)
