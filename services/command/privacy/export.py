"""All that is kept about one customer, opened, as JSON (Art. 15 and 20 GDPR), with proofs.

Made when it is fetched and kept nowhere. Values about other people stay sealed: they are theirs.
What no longer fits its leaf is named in `findings`, as the audit names it, and is not opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import namedtuple_row

from events.facts import Fact
from events.times import format_time
from infra.plumbing.ledger.checkpoint import read_checkpoint
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.vault import erasure
from infra.plumbing.vault.opening import open_body, sealed_values
from services.command.audit.history import (
    Fault,
    Finding,
    HistoryCheck,
    changes,
    is_as_recorded,
)
from services.command.audit.reading import event_at, history, newest_checkpoint
from services.command.audit.service import encoded, finding_shape, proof_of, proved_shape
from services.command.privacy.requests import SQL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from psycopg import Connection

    from services.command.audit.reading import Recorded
    from services.command.privacy.steps import Means


_NOT_TOLD: Final = {"sentence": None, "event": None}
"""Of an event that does not fit its leaf: what stands in it is not what was recorded."""


def export(connection: Connection[Any], means: Means, stream: UUID) -> dict[str, Any]:
    """The customer's names, every event, what waits outside the ledger, and what others said.

    Values under a key that was destroyed stay sealed. Each event has what its leaf is made of
    (`header` and `body`, or the digest of a body that was dropped) and a proof: in the tree of the
    newest signed `checkpoint`, or, recorded since, in that of the first `size` events with `root`.
    `consistency` proves that the latter begins with the former. `findings` name what is wrong.
    """
    keys = means.vault.keys([f"{stream}/1"])
    names = means.vault.identifiers_of([stream]).get(stream, [])
    found = _Events(means, stream, keys)
    events, (mentions, doubts) = found.told(), _mentions(connection, means, stream, keys)
    return {
        "customer": str(stream),
        "made_at": format_time(means.clock()),
        "identifiers": [str(name) for name in names],
        "checkpoint": found.note,
        "size": found.now.size,
        "root": encoded(found.now.root()),
        "consistency": found.consistency(),
        "events": events,
        "quarantine": _waiting(connection, means, stream, keys),
        "mentions": mentions,
        "findings": [finding_shape(each) for each in (*found.findings, *doubts)],
    }


class _Events:
    """A customer's events, each proved in the tree of the newest checkpoint or in that of now."""

    def __init__(self, means: Means, stream: UUID, keys: Mapping[str, bytes]) -> None:
        self.note = newest_checkpoint(means.rows)
        self.now = Prover(means.rows)
        self.findings: list[Finding] = []
        self._means, self._stream, self._keys = means, stream, keys
        self._signed = None if self.note is None else read_checkpoint(self.note.encode())

    def consistency(self) -> list[str] | None:
        """That the tree of now begins with the signed one; None if nothing is signed."""
        if self._signed is None:
            return None
        try:
            return [encoded(each) for each in self.now.consistency(self._signed.size)]
        except LedgerGap as gap:
            self.findings.append(Finding(Fault.NOT_INCLUDED, 0, str(gap)))
            return []

    def told(self) -> list[dict[str, Any]]:
        """Each event, checked as in the customer's history."""
        signed = self._signed
        now = (self.now, self.now.root())
        then = signed and (Prover(self._means.rows, signed.size), signed.root)
        check = HistoryCheck(self._stream, self.now.size, self.now.root())
        told: list[dict[str, Any]] = []
        for event in history(self._means.rows, self._stream, self.now.size):
            prover, root = then if then and event.position <= then[0].size else now
            proof = proof_of(prover, event)
            found = check.step(event.shown(proof), (prover.size, root))
            self.findings += found
            content = self._content(event) if is_as_recorded(found) else _NOT_TOLD
            told.append(proved_shape(event, {}, prover.size, proof) | content)
        return told

    def _content(self, event: Recorded) -> dict[str, Any]:
        """The event opened; of a body dropped after its retention the header's part."""
        header = event.header
        opened = None if event.body is None else open_body(event.body, header.stream, self._keys)
        fact = Fact(
            position=event.position,
            stream=header.stream,
            version=header.version,
            source=header.source,
            event_id=header.event_id,
            type=header.type,
            schema=header.schema,
            occurred_at=header.occurred_at,
            recorded_at=header.recorded_at,
            data={} if opened is None else opened["data"],
        )
        return {"sentence": self._means.catalog.sentence(fact), "event": opened}


def _waiting(
    connection: Connection[Any], means: Means, stream: UUID, keys: Mapping[str, bytes]
) -> list[dict[str, Any]]:
    """Their events in quarantine: dated ahead, or withheld; found by their names too."""
    names, persons = erasure.traces_of(connection, means.vault.hashes, stream)
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        wanted = {"stream": stream, "persons": persons, "names": list(names)}
        found: list[Any] = cursor.execute(SQL["waiting"], wanted).fetchall()
    strangers = means.vault.keys(row.key_id for row in found)
    return [
        {
            "reason": row.reason,
            "occurred_at": format_time(row.occurred_at),
            "received_at": format_time(row.received_at),
            "event": open_body(bytes(row.body), row.stream, {**keys, **strangers}),
        }
        for row in found
    ]


def _mentions(
    connection: Connection[Any], means: Means, stream: UUID, keys: Mapping[str, bytes]
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """What other customers' events say about this one; and which of them are not as recorded."""
    needle = {"stream": stream, "key": f'"{stream}/1"'.encode()}
    positions = [position for (position,) in connection.execute(SQL["mentions"], needle)]
    told: list[dict[str, Any]] = []
    doubts: list[Finding] = []
    for event in filter(None, (event_at(means.rows, position) for position in positions)):
        unfit = changes(event.shown(None))
        doubts += unfit
        told.append(_mention(event, {} if unfit else keys))
    return told, doubts


def _mention(event: Recorded, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """What another customer's event says about this one, and nothing else of that event."""
    body = event.body if keys else None
    header = event.header
    opened = {} if body is None else open_body(body, header.stream, keys)
    values = {
        pointer: _at(opened, pointer)
        for pointer, sealed in sealed_values(body or b"{}")
        if sealed["key"] in keys
    }
    return {
        "position": event.position,
        "type": header.type,
        "occurred_at": format_time(header.occurred_at),
        "recorded_at": format_time(header.recorded_at),
        "values": values,
    }


def _at(document: dict[str, Any], pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901)."""
    node: Any = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        node = node[int(name) if isinstance(node, list) else name]
    return node
