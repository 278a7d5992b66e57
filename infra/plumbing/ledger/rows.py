"""Rows of `ledger.events` as bytes of PostgreSQL's binary COPY, and arrays of UUIDs, made by hand.

Measured faster than psycopg's row-wise COPY and than array parameters (decision 0019). The order of
the columns is COLUMNS; the layout is that of the COPY manual page. `placing.py` puts rows together.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

from infra.plumbing.ledger.format import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

COLUMNS = (
    b"position, version, recorded_at, leaf, occurred_at, stream, event_key, content_mac, sent_at,"
    b" source, type, schema, event_id, key_id, body"
)
FIELDS: Final = 15
START = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
END = b"\xff\xff"
UUID_OID = 2950
UUID_ARRAY_OID = 2951
EPOCH_SHIFT: Final = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL counts its times from."""
NULL: Final = b"\xff\xff\xff\xff"
LONGER: Final = b"\x00\x00"
"""Before a header text, whose length has two bytes: a COPY field's has four."""

pack_start = struct.Struct(">hiqiqiqi32siqi16si16si32s").pack
"""Through `content_mac`: the number of fields, then length and value of each."""
pack_length = struct.Struct(">i").pack
_ARRAY = struct.Struct(">iiIii")
_pack_time = struct.Struct(">iq").pack


def time_field(moment: datetime | None) -> bytes:
    """A time or nothing as a COPY field."""
    return NULL if moment is None else _pack_time(8, microseconds(moment) - EPOCH_SHIFT)


def text_fields(*texts: str) -> bytes:
    """Texts as COPY fields."""
    encoded = [text.encode() for text in texts]
    return b"".join(pack_length(len(each)) + each for each in encoded)


def uuid_list(uuids: Iterable[bytes]) -> bytes:
    """UUIDs, 16 bytes each, as the text of an array."""
    return b"'{" + ",".join([uuid.hex() for uuid in uuids]).encode() + b"}'"


class Uuids:
    """UUIDs as a parameter of type uuid[], out of their 16 bytes: psycopg's own way costs more."""

    __slots__ = ("packed",)

    def __init__(self, uuids: Sequence[bytes]) -> None:
        """Pack them."""
        each = b"".join([b"\x00\x00\x00\x10" + uuid for uuid in uuids])
        self.packed = (
            _ARRAY.pack(1, 0, UUID_OID, len(uuids), 1) + each
            if uuids
            else struct.pack(">iiI", 0, 0, UUID_OID)
        )


class UuidsDumper(Dumper):
    """Sends `Uuids` as they are packed."""

    oid = UUID_ARRAY_OID
    format = Format.BINARY

    def dump(self, obj: Uuids) -> bytes:
        """The packed array."""
        return obj.packed


adapters.register_dumper(Uuids, UuidsDumper)
