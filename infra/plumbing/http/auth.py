"""Who is asking: an API key in `Authorization: Bearer rpt_...`, or a browser session's cookie.

`require(...)` is the dependency of a FastAPI route; a bare route awaits `authenticate(request)`.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from infra.plumbing.access import Access, Action, Principal, Role, role_named
from infra.plumbing.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from starlette.responses import Response

    from infra.plumbing.access import Session

SESSION_COOKIE: Final = "rapport_session"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_PREFIX: Final = "rpt_"
_SESSION_PREFIX: Final = "rps_"


def install(app: FastAPI, access: Access) -> None:
    """Let the routes of `app` ask `access` who is asking."""
    app.state.access = access


def require(*allowed: Role | Action | str) -> Callable[[Request], Awaitable[Principal]]:
    """Build the dependency that lets in these roles, roles that may do these actions, and admin.

    Raises UnknownRole at import of the route for a name that is no role. The dependency raises a
    401 problem for an unknown key and a 403 problem for a role that is not let in.
    """
    actions = [each for each in allowed if isinstance(each, Action)]
    roles = {role_named(each) for each in allowed if not isinstance(each, Action)}
    roles.add(Role.ADMIN)

    async def dependency(request: Request) -> Principal:
        principal = await authenticate(request)
        if principal.role in roles or any(principal.may(action) for action in actions):
            return principal
        raise forbidden(principal)

    return dependency


async def authenticate(request: Request) -> Principal:
    """Who sent `request`.

    Raises:
        Problem: 401 without a valid key or session; 403 for a write by cookie from another origin.
    """
    access = request.app.state.access
    if not isinstance(access, Access):
        raise TypeError("app.state.access is not set: call auth.install(app, access) first")
    header = request.headers.get("authorization")
    if header is not None:
        return await _by_key(access, header)
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        return await _by_cookie(access, request, token)
    raise _unauthenticated("Send Authorization: Bearer and an API key (rapport keys create).")


async def _by_key(access: Access, header: str) -> Principal:
    scheme, _, key = header.partition(" ")
    key = key.strip()
    if scheme.lower() == "bearer" and key.startswith(_KEY_PREFIX):
        found = access.remembered(key) or await run_in_threadpool(access.verify, key)
        if found is not None:
            return found
    raise _unauthenticated(
        "The API key is mistyped, unknown or revoked. Send Authorization: Bearer rpt_... .",
        invalid=True,
    )


async def _by_cookie(access: Access, request: Request, token: str) -> Principal:
    if request.method not in _SAFE_METHODS and not _same_origin(request):
        raise Problem(
            "forbidden", "A page of another origin may not act for you. Use this site's own page."
        )
    if token.startswith(_SESSION_PREFIX):
        found = access.remembered(token) or await run_in_threadpool(access.session, token)
        if found is not None:
            return found
    raise _unauthenticated("The session ended. Open a new login address (rapport up prints one).")


def _same_origin(request: Request) -> bool:
    """Whether a browser says that a page of this very host and port sent the request.

    SameSite=Strict alone lets another port of the same host through.
    """
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def forbidden(principal: Principal) -> Problem:
    """The 403 for a role that may not do this."""
    return Problem("forbidden", f"A key with the role {principal.role} may not do this.")


def _unauthenticated(words: str, *, invalid: bool = False) -> Problem:
    challenge = 'Bearer realm="rapport"' + (', error="invalid_token"' if invalid else "")
    return Problem("unauthenticated", words, (), {"WWW-Authenticate": challenge})


def set_session_cookie(response: Response, session: Session, *, secure: bool) -> None:
    """Give the browser its session. `secure`: the page came by https."""
    response.set_cookie(
        SESSION_COOKIE,
        session.token,
        expires=session.expires_at.astimezone(UTC),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def clear_session_cookie(response: Response) -> None:
    """Take the browser's session away."""
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
