"""UUIDs as a parameter of type uuid[], out of their 16 bytes: psycopg's own way costs more."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

UUID_OID = 2950
UUID_ARRAY_OID = 2951
_ARRAY = struct.Struct(">iiIii")


class Uuids:
    """UUIDs, ready to be sent."""

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
