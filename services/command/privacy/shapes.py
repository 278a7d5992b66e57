"""Privacy requests as they are told outside: status by store, and the certificate. Pure.

`leaf` is standard base64; times are RFC 3339 in UTC.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import orjson

from events.times import format_time
from services.command.privacy.values import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.plumbing.ledger.answers import Receipt
    from services.command.privacy.values import Done, Request

PATH: Final = "/v1/privacy/requests"
DID: Final = {
    "vault.fences": "fences put up: the customer's stream takes no more events",
    "vault.keys": "keys destroyed: every value sealed under them is unreadable, wherever it stands",
    "vault.identifiers": "names removed",
    "vault.suppressed": "keyed hashes of names put on the list of those not to be recorded",
    "ledger.events.content_mac": "events whose keyed hash of the content as received was removed",
    "ops.quarantine": "events removed from quarantine",
    "withheld in ops.quarantine": "events about the person removed that had been withheld from the "
    "ledger, with the keys they were sealed under",
    "left in ops.quarantine": "events left in quarantine, which cannot be recorded (dated ahead, "
    "another event under their id, no longer valid): a later release tries again, an erasure "
    "removes them",
    "files": "tables whose live files were rewritten without the removed rows",
    "erased": "customers who are erased or being erased: by that their names are on the list, and "
    "their history takes no more events",
    "outbox.proposals": "conclusions dropped that waited to be recorded",
    "ledger.events": "events appended that say what was done",
}
GATHERED: Final = {"vault.identifiers": "names found"}
KEPT: Final = (
    "The facts stay in the ledger under the customer's random UUID, to which no name leads; their "
    "leaves still verify. Read models hold no personal values. {files} The destroyed key, wrapped "
    "by the master key, and sealed names are still in: backups and replicas, and snapshots of the "
    "disk, made before this certificate, until they are deleted; segments of the write-ahead log "
    "written before it, until PostgreSQL has removed or reused them and written over them; blocks "
    "of the disk that the file system has freed, until it writes over them. Rows that were "
    "replaced in ledger.rows may hold the keyed hash of what was received, until their pages "
    "are written again. erasures.ndjson holds the UUID beside keyed hashes of the names: whoever "
    "has it and the master key can try a name. What was exported or sent to others before is with "
    "them."
)
REWRITTEN: Final = (
    "The live files of vault.keys, vault.identifiers and ops.quarantine were rewritten and hold "
    "nothing of what was removed."
)
NOT_REWRITTEN: Final = (
    "The live files of vault.keys, vault.identifiers and ops.quarantine were not rewritten, since "
    "this program is not their owner: they may hold what was removed until the owner runs VACUUM "
    "FULL on them."
)


def status(
    request: Request, done: Sequence[Done], steps: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    """How far a request is."""
    told = {
        "id": str(request.id),
        "type": request.type,
        "customer": request.stream and str(request.stream),
        "status": "open" if request.done_at is None else "done",
        "asked_at": format_time(request.asked_at),
        "done_at": request.done_at and format_time(request.done_at),
        "stores": [each for step in done for each in stores(request.type, step)],
        "waiting": [name for name, _ in steps[len(done) :]] if request.done_at is None else [],
        "certificate": request.certificate and orjson.loads(request.certificate),
    }
    if request.type is Kind.ACCESS and request.done_at is not None:
        told["export"] = f"{PATH}/{request.id}/export"
    return told


def stores(kind: Kind, step: Done) -> list[dict[str, Any]]:
    """What one step did, store by store."""
    words = DID | GATHERED if kind is Kind.ACCESS else DID
    return [
        {"store": store, "count": count, "did": words[store], "at": format_time(step.at)}
        for store, count in step.counts.items()
    ]


def certificate(
    request: Request, done: Sequence[Done], receipts: Sequence[Receipt]
) -> dict[str, Any]:
    """What was done, and where in the ledger that stands: `events` can be proved to be there."""
    made: dict[str, Any] = {
        "request": str(request.id),
        "type": request.type,
        "customer": request.stream and str(request.stream),
        "asked_at": format_time(request.asked_at),
        "stores": [each for step in done for each in stores(request.type, step)],
        "events": [
            {
                "customer": str(receipt.stream),
                "version": receipt.version,
                "position": receipt.position,
                "leaf": b64encode(receipt.leaf).decode(),
            }
            for receipt in receipts
        ],
    }
    if request.type is Kind.ERASE:
        rewritten = any(step.counts.get("files") for step in done)
        made["kept"] = KEPT.format(files=REWRITTEN if rewritten else NOT_REWRITTEN)
        for receipt in receipts:
            made["position"] = receipt.position
            made["leaf"] = b64encode(receipt.leaf).decode()
    return made
