"""Who may come in: roles, API keys, one-time login tokens and browser sessions.

The one place that says which role may do what (`ACTIONS`). A secret is random, shown once and
stored as its SHA-256. Nothing here knows HTTP.
"""

from __future__ import annotations

import secrets
import time
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from infra.plumbing.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from psycopg import Connection
    from psycopg_pool import ConnectionPool

REMEMBERED_SECONDS: Final = 1.0
"""A verified key is believed this long without asking again: a revoked key stops within it."""
REMEMBERED_KEYS: Final = 10_000
LOGIN_TOKEN_LIFE: Final = timedelta(hours=1)
SESSION_LIFE: Final = timedelta(hours=12)
MAX_SECRET_CHARS: Final = 256
"""Anything longer is not one of ours, and is not hashed."""

_SQL: Final = Queries.beside("infra.plumbing", "access.sql")
_KEY_MARK: Final = "rpt"
_SESSION_MARK: Final = "rps"
_KEY_PARTS: Final = 4
_CRC_CHARS: Final = 8


class AccessError(Exception):
    """A key cannot be made as asked; the words say why and what to give instead.

    ::

        AccessError
        ├── UnknownRole      no such role
        └── SourceNotForRole only an emitter key is bound to a source
    """


class UnknownRole(AccessError):
    """No such role."""


class SourceNotForRole(AccessError):
    """Only a key that writes events can be bound to a source."""


class Role(StrEnum):
    """What a holder of a key is here for."""

    EMITTER = "emitter"
    MARKETER = "marketer"
    AGENT = "agent"
    STEWARD = "steward"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    PRIVACY = "privacy"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be asked of the platform."""

    RECORD_EVENTS = "record events"
    READ_PORTFOLIO = "read the portfolio and segments"
    READ_CUSTOMER = "read one customer's scores and timeline"
    READ_SIGNALS = "read churn signals"
    READ_HISTORY = "read recorded history and proofs"
    READ_OPERATIONS = "read quarantine, dead letters and progress"
    REPLAY = "try again what waits in quarantine"
    MANAGE_IDENTITY = "link and unlink customers"
    MANAGE_PRIVACY = "answer privacy requests"
    MANAGE_ACCESS = "make and revoke keys"


ACTIONS: Final[Mapping[Action, frozenset[Role]]] = MappingProxyType(
    {
        Action.RECORD_EVENTS: frozenset({Role.EMITTER, Role.ADMIN}),
        Action.READ_PORTFOLIO: frozenset({Role.MARKETER, Role.AGENT, Role.ADMIN}),
        Action.READ_CUSTOMER: frozenset(
            {Role.MARKETER, Role.AGENT, Role.AUDITOR, Role.PRIVACY, Role.ADMIN}
        ),
        Action.READ_SIGNALS: frozenset({Role.MARKETER, Role.AGENT, Role.ADMIN}),
        Action.READ_HISTORY: frozenset({Role.AUDITOR, Role.PRIVACY, Role.ADMIN}),
        Action.READ_OPERATIONS: frozenset({Role.OPERATOR, Role.ADMIN}),
        Action.REPLAY: frozenset({Role.OPERATOR, Role.ADMIN}),
        Action.MANAGE_IDENTITY: frozenset({Role.STEWARD, Role.ADMIN}),
        Action.MANAGE_PRIVACY: frozenset({Role.PRIVACY, Role.ADMIN}),
        Action.MANAGE_ACCESS: frozenset({Role.ADMIN}),
    }
)
"""Which role may do what. There is no other such table."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `source` is the only event source they may write for; None means any."""

    role: Role
    key_id: str
    source: str | None = None

    def may(self, action: Action) -> bool:
        """Whether the role may do `action`."""
        return self.role in ACTIONS[action]

    def may_write_for(self, source: str) -> bool:
        """Whether events of `source` are taken from this principal."""
        return self.source is None or self.source == source


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `key` is the secret: it cannot be shown again."""

    id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is listed: everything but the secret."""

    id: str
    role: Role
    source: str | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session just opened. `token` is the cookie's value."""

    token: str = field(repr=False)
    role: Role
    expires_at: datetime


def role_named(name: str) -> Role:
    """The role called `name`.

    Raises:
        UnknownRole: there is none; the words list them.
    """
    try:
        return Role(name)
    except ValueError:
        roles = ", ".join(Role)
        raise UnknownRole(f"There is no role {name!r}. Roles: {roles}.") from None


def create_key(conn: Connection[Any], role: str, source: str | None = None) -> NewKey:
    """Make and store a key for `role`; an emitter key may be bound to one `source`.

    Raises:
        UnknownRole: no such role.
        SourceNotForRole: a source for a role that writes none, or an empty one.
    """
    known = role_named(role)
    if source is not None and known is not Role.EMITTER:
        raise SourceNotForRole(
            f"Only an emitter key is bound to a source; leave the source out for {known}."
        )
    if source is not None and not source.strip():
        raise SourceNotForRole("The source is empty; give the `source` of the events to be sent.")
    key_id = secrets.token_hex(6)
    key = with_checksum(f"{_KEY_MARK}_{known}_{key_id}_{secrets.token_hex(32)}")
    conn.execute(
        _SQL["insert_key"], {"id": key_id, "role": known, "source": source, "digest": _digest(key)}
    )
    return NewKey(key_id, key)


def list_keys(conn: Connection[Any]) -> list[KeyRow]:
    """Every key ever made, oldest first, without secrets."""
    return [
        KeyRow(key_id, Role(role), source, created, revoked)
        for key_id, role, source, created, revoked in conn.execute(_SQL["list_keys"])
    ]


def revoke_key(conn: Connection[Any], key_id: str) -> bool:
    """End a key. True if it was alive; it stops everywhere within REMEMBERED_SECONDS."""
    return conn.execute(_SQL["revoke_key"], {"id": key_id}).rowcount == 1


def create_login_token(conn: Connection[Any], role: str, life: timedelta = LOGIN_TOKEN_LIFE) -> str:
    """A token that opens one browser session for `role`, once, within `life`.

    Raises:
        UnknownRole: no such role.
    """
    token = secrets.token_urlsafe(32)
    conn.execute(
        _SQL["insert_login"], {"digest": _digest(token), "role": role_named(role), "life": life}
    )
    return token


def redeem(conn: Connection[Any], token: str, life: timedelta = SESSION_LIFE) -> Session | None:
    """Swap a login token for a session of `life`; None if it is unknown, used or too old."""
    if len(token) > MAX_SECRET_CHARS:
        return None
    session_id = secrets.token_hex(6)
    value = f"{_SESSION_MARK}_{session_id}_{secrets.token_hex(32)}"
    row = conn.execute(
        _SQL["redeem"],
        {"token": _digest(token), "id": session_id, "digest": _digest(value), "life": life},
    ).fetchone()
    return None if row is None else Session(value, Role(row[0]), row[1])


def with_checksum(text: str) -> str:
    """`text` and its CRC-32 in hexadecimal: a mistyped key is told without asking the database."""
    return f"{text}{zlib.crc32(text.encode()):0{_CRC_CHARS}x}"


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


class Access:
    """The door-keeper of a running program: who holds this key or this session?

    Safe for many threads. Remembers good answers for REMEMBERED_SECONDS, bad ones never.
    """

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask the database through `pool`; `monotonic` is the clock of what is remembered."""
        self.pool = pool
        self._monotonic = monotonic
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def remembered(self, secret: str) -> Principal | None:
        """The holder, if asked within REMEMBERED_SECONDS. Never blocks."""
        found = self._known.get(_digest(secret)) if len(secret) <= MAX_SECRET_CHARS else None
        return None if found is None or found[0] <= self._monotonic() else found[1]

    def verify(self, secret: str) -> Principal | None:
        """The holder of an API key, or None if it is mistyped, unknown or revoked. Blocks."""
        if len(secret) > MAX_SECRET_CHARS or with_checksum(secret[:-_CRC_CHARS]) != secret:
            return None
        parts = secret.split("_")
        if len(parts) != _KEY_PARTS or parts[0] != _KEY_MARK:
            return None
        return self._ask("find_key", parts[2], secret)

    def session(self, token: str) -> Principal | None:
        """The holder of a browser session, or None if there is none or it ended. Blocks."""
        parts = token.split("_")
        if len(token) > MAX_SECRET_CHARS or len(parts) != _KEY_PARTS - 1:
            return None
        return self._ask("find_session", parts[1], token)

    def end_session(self, token: str) -> None:
        """Close a browser session, if it is open. Blocks."""
        _, _, rest = token.partition("_")
        digest = _digest(token)
        self._known.pop(digest, None)
        with self.pool.connection() as conn:
            conn.execute(_SQL["end_session"], {"id": rest.partition("_")[0], "digest": digest})

    def _ask(self, query: str, name: str, secret: str) -> Principal | None:
        asked_at = self._monotonic()
        if "\x00" in name:
            return None
        with self.pool.connection() as conn:
            row = conn.execute(_SQL[query], {"id": name}).fetchone()
        digest = _digest(secret)
        if row is None or not compare_digest(row[1], digest):
            return None
        principal = Principal(Role(row[0]), name, row[2])
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
        self._known[digest] = (asked_at + REMEMBERED_SECONDS, principal)
        return principal
