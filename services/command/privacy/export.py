"""All that is kept about one customer, opened, as JSON (Art. 15 and 20 GDPR), with proofs.

Made when it is fetched and kept nowhere. Values about other people stay sealed: they are theirs.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from events.facts import Fact
from events.times import format_time
from infra.plumbing.vault.opening import open_body, sealed_values
from services.command.privacy.requests import SQL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from psycopg import Connection

    from services.command.privacy.steps import Means


def export(connection: Connection[Any], means: Means, stream: UUID) -> dict[str, Any]:
    """The customer's names, every event, and every value about them in other customers' events.

    Values under a key that was destroyed stay sealed. `proof` of an event: the hashes of its
    inclusion in the tree of the first `size` events, whose root is `root` (RFC 6962).
    """
    keys = means.vault.keys([f"{stream}/1"])
    names = means.vault.identifiers_of([stream]).get(stream, [])
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(SQL["history"], {"stream": stream}).fetchall()
        needle = {"stream": stream, "key": f'"{stream}/1"'.encode()}
        mentions = [_mention(row, keys) for row in cursor.execute(SQL["mentions"], needle)]
    prover = means.prove()
    told = [
        _event(means, stream, row, keys)
        | {"proof": [_text(each) for each in prover.inclusion(row.position)]}
        for row in rows
    ]
    return {
        "customer": str(stream),
        "made_at": format_time(means.clock()),
        "identifiers": [str(name) for name in names],
        "size": prover.size,
        "root": _text(prover.root()),
        "events": told,
        "mentions": mentions,
    }


def _event(means: Means, stream: UUID, row: Any, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """One event of the customer; of a body dropped after its retention the header's part."""
    event = None if row.body is None else open_body(bytes(row.body), stream, keys)
    fact = Fact(
        position=row.position,
        stream=stream,
        version=row.version,
        source=row.source,
        event_id=row.event_id,
        type=row.type,
        schema=row.schema,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        data={} if event is None else event["data"],
    )
    return {
        "position": row.position,
        "version": row.version,
        "leaf": _text(bytes(row.leaf)),
        "recorded_at": format_time(row.recorded_at),
        "sentence": means.catalog.sentence(fact),
        "event": event,
    }


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


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
