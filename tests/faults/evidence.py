"""What the checker looks at: a stopped platform's database, and what was seen from outside.

The bytes of the ledger are read and hashed here by hand, from the words of ledger format 1 alone;
of the product's own code only the opening of the customers' keys is used.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import orjson
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import class_row

from infra.plumbing.vault.master import MasterKeyFile
from tests.faults.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from tests.faults.reaper import Recovery, Sample
    from tests.services.notifier.sink import Received

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NONCE_BYTES = 12
ROWS = (
    "SELECT position, version, stream, source, event_id, type, schema, occurred_at, recorded_at,"
    " key_id, coalesce(body_digest, sha256(body), '') AS body_digest, leaf, body"
    " FROM ledger.events ORDER BY position"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of ledger.events."""

    position: int
    version: int
    stream: UUID
    source: str
    event_id: str
    type: str
    schema: str
    occurred_at: datetime
    recorded_at: datetime
    key_id: str
    body_digest: bytes
    leaf: bytes
    body: bytes | None

    @property
    def ours(self) -> bool:
        """Whether the platform itself said it."""
        return self.source.split("/")[0] == "rapport"

    @property
    def data(self) -> Mapping[str, Any]:
        """The data of an event that holds nothing sealed."""
        return orjson.loads(self.body)["data"] if self.body is not None else {}

    def leaf_after(self, previous: bytes) -> bytes:
        """The leaf that this row must have where the stream's last leaf is `previous`."""
        texts = (self.source, self.event_id, self.type, self.schema)
        header = struct.pack(">B16sQ32s", 1, self.stream.bytes, self.version, previous)
        header += b"".join(map(_text, texts))
        header += struct.pack(
            ">qq", _microseconds(self.occurred_at), _microseconds(self.recorded_at)
        )
        header += _text(self.key_id)
        return sha256(b"\x00" + header + self.body_digest).digest()


@dataclass(frozen=True)
class Evidence:
    """A database nobody works in any more, and what outsiders hold."""

    superuser: str
    """How a superuser connects to the database of the stopped platform."""
    master_key: Path
    record: Record = field(default_factory=Record)
    samples: Sequence[Sample] = ()
    recoveries: Sequence[Recovery] = ()
    caught_up_seconds: float = 0.0
    received: Sequence[Received] = ()
    webhook_secret: str = ""
    logs: Sequence[Path] = ()
    folder: Path | None = None
    """The data folder, where the platform had its own database in it."""
    canary: str = ""

    def connect(self) -> psycopg.Connection[Any]:
        """A connection to the database."""
        return psycopg.connect(self.superuser, autocommit=True)

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def has(self, table: str) -> bool:
        """Whether this release has the table."""
        return self.ask("SELECT to_regclass(%s) IS NOT NULL", table) == [(True,)]

    @cached_property
    def rows(self) -> list[Row]:
        """The ledger by position."""
        with self.connect() as connection, connection.cursor(row_factory=class_row(Row)) as cursor:
            return cursor.execute(ROWS).fetchall()

    @cached_property
    def streams(self) -> Mapping[UUID, list[Row]]:
        """The rows of each customer by position."""
        found: dict[UUID, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.stream].append(row)
        return found

    @cached_property
    def erased(self) -> set[UUID]:
        """The customers whose erasure stands in the ledger."""
        return {row.stream for row in self.rows if row.type == "customer.erased"}

    @cached_property
    def keys(self) -> Mapping[str, bytes]:
        """Every customer's key that is still there, by its id."""
        master = MasterKeyFile.open(self.master_key, create=False)
        rows = self.ask("SELECT key_id, wrapped FROM vault.keys")
        return {key_id: master.unwrap(bytes(wrapped), key_id) for key_id, wrapped in rows}

    def as_sent(self, row: Row) -> Mapping[str, Any] | None:
        """The event of a row as its emitter sent it; None if it cannot be opened any more."""
        if row.body is None:
            return None
        try:
            event = self._opened(orjson.loads(row.body), row, "")
        except KeyError:
            return None
        if "originalsubject" in event:
            event["subject"] = event.pop("originalsubject")
        return event

    def _opened(self, node: Any, row: Row, pointer: str) -> Any:
        match node:
            case {"key": key, "sealed": sealed, **more} if not more:
                raw, bound = b64decode(sealed), self._bound(row, pointer)
                opened = AESGCM(self.keys[key]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
                return orjson.loads(opened)
            case dict():
                members = cast("dict[str, Any]", node)
                return {k: self._opened(v, row, f"{pointer}/{k}") for k, v in members.items()}
            case list():
                items = enumerate(cast("list[Any]", node))
                return [self._opened(item, row, f"{pointer}/{at}") for at, item in items]
            case _:
                return node

    @staticmethod
    def _bound(row: Row, pointer: str) -> bytes:
        parts = (b"rapport:1", row.stream.bytes, row.source.encode(), row.event_id.encode())
        return b"\x00".join((*parts, pointer.encode()))


class Tree:
    """The RFC 6962 tree over leaves as they are pushed; its root at any time."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []

    def push(self, leaf: bytes) -> None:
        size = 1
        while self._peaks and self._peaks[-1][0] == size:
            leaf = sha256(b"\x01" + self._peaks.pop()[1] + leaf).digest()
            size *= 2
        self._peaks.append((size, leaf))

    @property
    def edge(self) -> bytes:
        """The perfect subtrees' roots joined, largest first: the head's frontier."""
        return b"".join(peak for _, peak in self._peaks)

    @property
    def root(self) -> bytes:
        if not self._peaks:
            return sha256(b"").digest()
        root = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            root = sha256(b"\x01" + peak + root).digest()
        return root


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
