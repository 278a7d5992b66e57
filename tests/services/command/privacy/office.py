"""What the tests of privacy share: a running office to ask, and what may be looked up behind it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import md5, sha1, sha256
from typing import TYPE_CHECKING, Any

import orjson
import psycopg

from tests.services.command.house import BATCH, complaint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from httpx2 import Response

    from services.command.privacy.journal import Journal
    from tests.services.command.house import House

PATH = "/v1/privacy/requests"
ADA = "email:canary-ada@example.org"
CARD = "loyalty:canary-card-77"
WORDS = "canary-words my parcel came open"
EARLY = "2026-03-02T00:00:00Z"


@dataclass
class Office:
    """A running intake with the privacy routes."""

    house: House

    def ask(self, kind: str, ref: str, *, key: str = "privacy") -> Response:
        """Ask for something about `ref`."""
        return self.house.client.post(
            PATH, json={"type": kind, "ref": ref}, headers=self.headers(key)
        )

    def get(self, path: str, *, key: str = "privacy") -> Response:
        return self.house.client.get(path, headers=self.headers(key))

    def headers(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.house.keys[key]}"}

    def work(self) -> None:
        """Do every step that waits."""
        while self.house.service.privacy.advance():
            pass

    def done(self, kind: str, ref: str) -> dict[str, Any]:
        """Ask, have it done, and answer what is told of it then."""
        asked = self.ask(kind, ref)
        assert asked.status_code == 202, asked.text
        self.work()
        told = self.get(asked.headers["location"]).json()
        assert told["status"] == "done"
        return told

    def keep(self, journal: Journal) -> None:
        """Have what is done written down there, as the platform wires it."""
        privacy = self.house.service.privacy
        means = privacy._means  # pyright: ignore[reportPrivateUsage] - wired so when it is built
        privacy._means = replace(means, journal=journal)  # pyright: ignore[reportPrivateUsage] - the same

    def count(self, table: str) -> int:
        [(count,)] = self.house.rows(f"SELECT count(*) FROM {table}".encode())
        return count


def about_ada(event_id: str = "c-1", **changes: Any) -> dict[str, Any]:
    """A complaint of Ada's with a canary in every personal place."""
    data = {"complaint_id": "k-1", "about": "delivery", "text": WORDS, "identifiers": [CARD]}
    return complaint(id=event_id, subject=ADA, data=data, **changes)


def naming_ada(event_id: str = "r-1", **changes: Any) -> dict[str, Any]:
    """A referral by Bob that names Ada."""
    data = {"referral_id": "r-1", "referred": ADA}
    return complaint(id=event_id, type="referral.made", subject="crm:bob", data=data, **changes)


def spellings(canary: str) -> set[bytes]:
    """A canary as it might stand somewhere by mistake: plain, coded, or as a digest."""
    found: set[bytes] = set()
    for text in {canary, canary.partition(":")[2] or canary}:
        plain = text.encode()
        digests = [hash_(plain).digest() for hash_ in (sha256, sha1, md5)]
        found |= {plain, text.encode("utf-16-le"), text.encode("utf-16-be")}
        for raw in (plain, *digests):
            found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
            found |= {b64encode(raw), b64encode(raw).rstrip(b"=")}
    return found


def canaries_in(content: bytes, canaries: Iterable[str] = (ADA, CARD, WORDS)) -> list[bytes]:
    """The spellings of canaries that stand in `content`."""
    return [each for canary in canaries for each in spellings(canary) if each in content]


def everything(conninfo: str) -> bytes:
    """Every row of every table, as PostgreSQL copies it out."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            b"SELECT format('COPY %I.%I TO STDOUT (FORMAT binary)', schemaname, tablename)"
            b" FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = bytearray()
        for (copy,) in tables:
            with connection.cursor().copy(copy.encode()) as rows:
                found += b"".join(bytes(row) for row in rows)
    return bytes(found)


def bodies(house: House, stream: UUID | str) -> list[dict[str, Any]]:
    """The stored bodies of a customer, in order."""
    with house.pool.connection() as connection:
        rows = connection.execute(
            "SELECT body FROM ledger.events WHERE stream = %s ORDER BY version", [stream]
        ).fetchall()
    return [orjson.loads(body) for (body,) in rows]


def statuses(office: Office, *events: dict[str, Any]) -> list[str]:
    """What becomes of each event, sent in one batch."""
    return [each["status"] for each in office.house.post(list(events), BATCH).json()["results"]]
