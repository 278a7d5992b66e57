"""Templates to HTML: the one place that knows Jinja2. Everything is escaped, nothing may lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from services.projections.web import words
from services.projections.web.assets import load_assets
from services.projections.web.customer_view import STATUSES
from services.projections.web.points import reason, standing
from services.projections.web.selection import BAND

if TYPE_CHECKING:
    from starlette.responses import Response


class Drawing:
    """Draws pages from the package's templates. Safe for many threads."""

    def __init__(self) -> None:
        self.assets = load_assets()
        self._templates = Environment(
            loader=PackageLoader("services.projections.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Any] = {
            **words.FILTERS,
            "standing": standing,
            "reason": reason,
            "band_words": band_words,
            "health_status": health_status,
            "group_words": group_words,
        }
        # Jinja2 types its tables by what it ships itself.
        cast("dict[str, Any]", self._templates.filters).update(filters)
        cast("dict[str, Any]", self._templates.globals)["assets"] = self.assets

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page of a template. `values` may leave out `signed_in` and `as_of_text`."""
        shown: dict[str, Any] = {"signed_in": True, "as_of_text": "", **values}
        return HTMLResponse(self._templates.get_template(template).render(shown), status)

    def message(
        self, *, status: int, title: str, words: str, cure: str, command: str = ""
    ) -> Response:
        """A page that says what is wrong and what to do."""
        away = status == UNAUTHENTICATED
        return self.page(
            "message.html",
            status=status,
            code=status,
            title=title,
            words=words,
            cure=cure,
            command=command,
            signed_in=not away,
            link="/",
            link_words="Signed in meanwhile? Open the portfolio" if away else "To the portfolio",
        )


UNAUTHENTICATED = 401
EN_DASH = "\N{EN DASH}"


def band_words(name: str, unit: str) -> str:
    """A band of the chart's table: from and to with a dash between, or `unknown`."""
    if name == "unknown":
        return "unknown"
    return f"{name}{EN_DASH}{int(name) + BAND}{unit}"


def health_status(status: str) -> str:
    """A health status in two or three words."""
    return STATUSES.get(status, (words.plain(status), ""))[0]


def group_words(name: str) -> str:
    """A group of the explanation as a heading."""
    headings = {"base": "Where everyone starts", "overall": "Limits of the whole scale"}
    return headings.get(name, words.plain(name))
