"""What an auditor does by hand: ask, decode, hash, verify."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson

from infra.plumbing.ledger.answers import NewEvent
from infra.plumbing.ledger.format import Frontier
from services.command.audit.history import Shown
from tests.services.command.house import NOW, complaint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx2 import Response

    from tests.services.command.house import House

CANARY = "canary-personal-words"


def shown_of(event: dict[str, Any]) -> Shown:
    """An event of an answer, as bytes."""
    body = b64decode(event["body"]) if "body" in event else None
    digest = b64decode(event["body_digest"]) if body is None else sha256(body).digest()
    proof = [b64decode(each) for each in event["proof"]["hashes"]] if "proof" in event else None
    header, leaf = b64decode(event["header"]), b64decode(event["leaf"])
    return Shown(event["position"], header, body, digest, leaf, proof)


def bare(stream: UUID) -> NewEvent:
    """An event with nothing in it that anybody could open."""
    event_id = uuid4().hex
    body = orjson.dumps({"id": event_id, "source": "test", "data": {}})
    return NewEvent(stream, "test", event_id, "note.taken", "1-0-0", NOW, body, bytes(32))


@dataclass
class Desk:
    """Asks the audit routes of a running intake."""

    house: House

    def ask(
        self, path: str, query: Mapping[str, str | int] | None = None, *, role: str = "auditor"
    ) -> Response:
        """The answer to a question of `role`."""
        authorization = {"authorization": f"Bearer {self.house.keys[role]}"}
        return self.house.client.get(f"/v1/audit/{path}", params=query, headers=authorization)

    def json(
        self, path: str, query: Mapping[str, str | int] | None = None, *, role: str = "auditor"
    ) -> Any:
        """The same, which must succeed."""
        answer = self.ask(path, query, role=role)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, number: int, subject: str = "crm:4711") -> dict[str, Any]:
        """The receipt of a complaint with personal words in it."""
        data = {"complaint_id": f"k-{number}", "about": "delivery", "text": CANARY}
        answer = self.house.post(complaint(id=f"c-{number}", subject=subject, data=data))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def root(self, size: int | None = None) -> bytes:
        """The root over the leaves in the database, hashed one by one."""
        leaves = self.house.rows(b"SELECT leaf FROM ledger.events ORDER BY position")
        edge = Frontier()
        edge.extend([bytes(leaf) for (leaf,) in leaves[:size]])
        return edge.root()
