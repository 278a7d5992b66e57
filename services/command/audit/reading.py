"""Recorded events as they were hashed: header, body or its digest, leaf."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.format import NO_LEAF, Header, pack_header
from infra.plumbing.queries import Queries
from services.command.audit.history import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from infra.plumbing.ledger.tiles import Rows

TOGETHER: Final = 200
"""Events read at once; an answer of any length holds no more in memory."""
_BEFORE_FIRST: Final = -1
_SQL: Final = Queries.beside("services.command.audit", "audit.sql")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row of the ledger with the header that its leaf binds. `body` None: it was dropped."""

    position: int
    header: Header
    body: bytes | None
    body_digest: bytes
    leaf: bytes

    @property
    def packed_header(self) -> bytes:
        """The header as it was hashed."""
        return pack_header(self.header)

    def shown(self, proof: Sequence[bytes] | None) -> Shown:
        """The event as it is shown to whoever checks, with the proof there is."""
        return Shown(
            self.position, self.packed_header, self.body, self.body_digest, self.leaf, proof
        )


def newest_checkpoint(rows: Rows) -> str | None:
    """The newest signed note, or None before the first."""
    found = rows(_SQL["checkpoint"], {})
    return found[0][0] if found else None


def event_at(rows: Rows, position: int) -> Recorded | None:
    """The event at `position`, or None."""
    found = rows(_SQL["event"], {"position": position})
    return _recorded(found[0]) if found else None


def is_known(rows: Rows, stream: UUID) -> bool:
    """Whether anything is recorded of `stream`."""
    return bool(rows(_SQL["known"], {"stream": stream}))


def history(rows: Rows, stream: UUID, size: int) -> Iterator[Recorded]:
    """The events of `stream` up to position `size`, by version."""
    after = _BEFORE_FIRST
    while True:
        window = {"stream": stream, "after": after, "size": size, "limit": TOGETHER}
        found = [_recorded(row) for row in rows(_SQL["history"], window)]
        yield from found
        if len(found) < TOGETHER:
            return
        after = found[-1].header.version


def _recorded(row: Sequence[Any]) -> Recorded:
    position, stream, version, before, source, event_id, kind, schema, *rest = row
    if stream is None:
        raise LedgerGap(position - 1, position + 1)
    occurred_at, recorded_at, key_id, body, body_digest, leaf = rest
    header = Header(
        stream=stream,
        version=version,
        previous_leaf=NO_LEAF if before is None else bytes(before),
        source=source,
        event_id=event_id,
        type=kind,
        schema=schema,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        key_id=key_id,
    )
    content = None if body is None else bytes(body)
    digest = bytes(body_digest or b"") if content is None else sha256(content).digest()
    return Recorded(position, header, content, digest, bytes(leaf))
