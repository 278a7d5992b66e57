"""What a question may be asked with: whatever else it says is refused, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from events.errors import FieldError
from infra.plumbing.http.problems import Problem

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant


def known_only(request: Request) -> None:
    """Refuse a parameter nobody reads: a mistyped `as_of` must not be answered as of today.

    For a route's `dependencies`.

    Raises:
        Problem: the request has one.
    """
    known = _parameters(request.scope["route"].dependant)
    for name in request.query_params:
        if name not in known:
            cure = f"This question takes: {', '.join(sorted(known)) or 'no parameter'}."
            error = FieldError(f"/query/{name}", "There is no such parameter.", cure)
            raise Problem("invalid-request", "The question is not valid; see errors.", [error])


def _parameters(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of all it depends on."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_parameters(each) for each in dependant.dependencies))
