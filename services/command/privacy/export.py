"""All that is kept about one customer, opened, as JSON (Art. 15 and 20 GDPR), with proofs.

Made when it is fetched and kept nowhere. Values about other people stay sealed: they are theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from events.facts import Fact
from events.times import format_time
from infra.plumbing.ledger.checkpoint import read_checkpoint
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.vault import erasure
from infra.plumbing.vault.opening import open_body, sealed_values
from services.command.audit.reading import history, newest_checkpoint
from services.command.audit.service import encoded, event_shape, proof_shape
from services.command.privacy.requests import SQL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from psycopg import Connection

    from services.command.audit.reading import Recorded
    from services.command.privacy.steps import Means


def export(connection: Connection[Any], means: Means, stream: UUID) -> dict[str, Any]:
    """The customer's names, every event, what waits outside the ledger, and what others said.

    Values under a key that was destroyed stay sealed. Each event has what its leaf is made of
    (`header` and `body`, or the digest of a body that was dropped) and a proof: in the tree of the
    newest signed `checkpoint`, or, recorded since, in that of the first `size` events with `root`.
    `consistency` proves that the latter begins with the former.
    """
    keys = means.vault.keys([f"{stream}/1"])
    names = means.vault.identifiers_of([stream]).get(stream, [])
    note = newest_checkpoint(means.rows)
    now = Prover(means.rows)
    signed = None if note is None else Prover(means.rows, read_checkpoint(note.encode()).size)
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        needle = {"stream": stream, "key": f'"{stream}/1"'.encode()}
        mentions = [_mention(row, keys) for row in cursor.execute(SQL["mentions"], needle)]
    return {
        "customer": str(stream),
        "made_at": format_time(means.clock()),
        "identifiers": [str(name) for name in names],
        "checkpoint": note,
        "size": now.size,
        "root": encoded(now.root()),
        "consistency": signed and [encoded(each) for each in now.consistency(signed.size)],
        "events": [
            _event(means, event, keys, signed if signed and event.position <= signed.size else now)
            for event in history(means.rows, stream, now.size)
        ],
        "quarantine": _waiting(connection, means, stream, keys),
        "mentions": mentions,
    }


def _event(
    means: Means, event: Recorded, keys: Mapping[str, bytes], prover: Prover
) -> dict[str, Any]:
    """One event of the customer; of a body dropped after its retention the header's part."""
    header = event.header
    opened = None if event.body is None else open_body(event.body, header.stream, keys)
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
    return event_shape(event, {}) | {
        "proof": proof_shape(prover.size, event.position, prover.inclusion(event.position)),
        "sentence": means.catalog.sentence(fact),
        "event": opened,
    }


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


def _mention(row: Any, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """What another customer's event says about this one, and nothing else of that event."""
    body = bytes(row.body)
    opened = open_body(body, row.stream, keys)
    values = {
        pointer: _at(opened, pointer)
        for pointer, sealed in sealed_values(body)
        if sealed["key"] in keys
    }
    return {
        "position": row.position,
        "type": row.type,
        "occurred_at": format_time(row.occurred_at),
        "recorded_at": format_time(row.recorded_at),
        "values": values,
    }


def _at(document: dict[str, Any], pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901)."""
    node: Any = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        node = node[int(name) if isinstance(node, list) else name]
    return node
