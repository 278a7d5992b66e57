"""The audit: proofs, and recorded events as they were hashed. Reading events is itself recorded.

Who reads an event or a history is written to that customer's stream (`audit.read`) before anything
is answered. Proofs and checkpoints are hashes; reading those is not recorded, or each look at the
log would make it grow. Personal values are opened only for a stated purpose, under the key of the
customer who was asked about, and never if the read could not be recorded. An event that does not
fit its leaf is named in `findings` wherever it is shown, and is not opened.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from events.errors import BadIdentifier
from events.facts import PLATFORM
from events.times import format_time
from infra.plumbing.clock import system_clock
from infra.plumbing.ledger.errors import LedgerGap
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.vault.opening import open_body
from services.command.audit.history import (
    Fault,
    Finding,
    HistoryCheck,
    check_event,
    check_nothing_yet,
    is_as_recorded,
)
from services.command.audit.reading import event_at, history, is_known, newest_checkpoint
from services.command.audit.telling import Unspeakable, reader, tell_own_read, tell_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from events.catalog import Catalog
    from infra.plumbing.access import Principal
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.ledger.tiles import Rows
    from infra.plumbing.vault.vault import Vault
    from services.command.audit.reading import Recorded
    from services.command.record import Recorder


class AuditError(Exception):
    """A question that cannot be answered; the words are for whoever asked.

    ::

        AuditError
        ├── NotRecorded     nothing is recorded there
        ├── NoCheckpoint    nothing has been signed yet
        ├── BadReference    a reference that names nobody in any form
        └── BadPurpose      the stated purpose cannot be recorded
    """


class NotRecorded(AuditError):
    """Nothing is recorded there."""


class NoCheckpoint(AuditError):
    """Nothing has been signed yet."""


class BadReference(AuditError):
    """A reference that names nobody in any form."""


class BadPurpose(AuditError):
    """The stated purpose cannot be recorded."""


class History:
    """One customer's events within the first `size`, each proved against `root`, read as asked."""

    def __init__(
        self, rows: Rows, customer: UUID, prover: Prover, keys: Callable[[str], dict[str, bytes]]
    ) -> None:
        """`keys` gives the keys to open an event with, by the key id in its header."""
        self.customer = customer
        self.size = prover.size
        self.root = prover.root()
        self.findings: list[Finding] = []
        self._rows = rows
        self._prover = prover
        self._keys = lru_cache(maxsize=8)(keys)

    def events(self) -> Iterator[dict[str, Any]]:
        """Each event with its proof; `findings` is whole when all are read."""
        check = HistoryCheck(self.customer, self.size, self.root)
        for event in history(self._rows, self.customer, self.size):
            proof = proof_of(self._prover, event)
            found = check.step(event.shown(proof))
            self.findings.extend(found)
            keys = self._keys(event.header.key_id) if is_as_recorded(found) else {}
            yield proved_shape(event, keys, self.size, proof)

    def begins(self) -> dict[str, Any] | None:
        """Why there are no events: the first one, proved to stand behind `size`. None: there are.

        `consistency` leads from the root of this history to the `root` of the first `size` now.
        """
        try:
            return self._begins(Prover(self._rows))
        except LedgerGap as gap:
            self.findings.append(Finding(Fault.NOT_INCLUDED, 0, str(gap)))
            return None

    def _begins(self, now: Prover) -> dict[str, Any] | None:
        event = next(history(self._rows, self.customer, now.size), None)
        if event is None or event.position <= self.size:
            return None
        proof = proof_of(now, event)
        shown = event.shown(proof)
        self.findings += check_event(shown, now.size, now.root())
        self.findings += check_nothing_yet(shown, self.customer, self.size)
        return {
            "size": now.size,
            "root": encoded(now.root()),
            "consistency": [encoded(each) for each in now.consistency(self.size)],
            "event": proved_shape(event, {}, now.size, proof),
        }


class Audit:
    """Answers auditors. Safe for many threads; every call blocks."""

    def __init__(
        self,
        ledger: Ledger,
        vault: Vault,
        recorder: Recorder,
        catalog: Catalog,
        clock: Clock = system_clock,
    ) -> None:
        self._ledger = ledger
        self._rows = ledger.recorder.rows
        self._vault = vault
        self._recorder = recorder
        self._catalog = catalog
        self._clock = clock

    def checkpoint(self) -> str:
        """The newest signed note.

        Raises:
            NoCheckpoint: there is none.
        """
        note = newest_checkpoint(self._rows)
        if note is None:
            raise NoCheckpoint("Nothing has been signed yet. Start the signer: rapport signer.")
        return note

    def inclusion(self, position: int, size: int | None) -> dict[str, Any]:
        """The proof that the event at `position` is among the first `size` (None: all).

        Raises:
            ProofError: there is no such event or size.
            LedgerGap: the ledger is damaged.
        """
        prover = Prover(self._rows, size)
        return proof_shape(prover.size, position, prover.inclusion(position))

    def consistency(self, old: int, new: int | None) -> dict[str, Any]:
        """The proof that the first `new` events (None: all) begin with the first `old`.

        Raises:
            ProofError: `old` is larger than `new`, or `new` than the ledger.
            LedgerGap: the ledger is damaged.
        """
        prover = Prover(self._rows, new)
        hashes = prover.consistency(old)
        return {"from": old, "to": prover.size, "hashes": [encoded(each) for each in hashes]}

    def event(self, position: int, who: Principal, purpose: str | None) -> dict[str, Any]:
        """The event at `position`, as it was hashed; `findings` name what does not fit.

        Raises:
            NotRecorded: there is none.
            BadPurpose: the purpose cannot be recorded.
            LedgerBusy, VaultBusy, OperationalError: the read could not be recorded just now.
        """
        found = event_at(self._rows, position)
        if found is None:
            raise NotRecorded("No event is recorded at this position.")
        about = {"what": "event", "position": position}
        told = self._record(found.header.stream, about, who, purpose)
        findings = self._findings(found)
        opened = told and purpose and is_as_recorded(findings)
        shape = event_shape(found, self._keys(found.header.key_id) if opened else {})
        return {**shape, "findings": [finding_shape(each) for each in findings]}

    def history(self, ref: str, size: int | None, who: Principal, purpose: str | None) -> History:
        """One customer's history, ready to be read.

        `size` None means all, this read included. Of a size before the customer's first event it
        is empty, and says where that event stands.

        Raises:
            BadReference: `ref` names nobody in any form.
            NotRecorded: nothing is recorded of that customer, at any size.
            ProofError: the ledger has fewer than `size` events.
            LedgerGap: the ledger is damaged.
            BadPurpose: the purpose cannot be recorded.
            LedgerBusy, VaultBusy, OperationalError: the read could not be recorded just now.
        """
        customer = self._customer(ref)
        Prover(self._rows, size)  # refuses a size that the ledger has not
        known = customer is not None and is_known(self._rows, customer)
        if customer is None or not known:
            raise NotRecorded("Nothing is recorded of such a customer. Use a UUID or kind:value.")
        told = self._record(customer, {"what": "history"}, who, purpose)
        keys = self._keys if told and purpose else _no_keys
        return History(self._rows, customer, Prover(self._rows, size), keys)

    def _findings(self, event: Recorded) -> list[Finding]:
        """What is wrong with one event, judged as in a history."""
        try:
            now = Prover(self._rows)
            size, root = now.size, now.root()
        except LedgerGap:
            return check_event(event.shown(None), 0, b"")
        return check_event(event.shown(proof_of(now, event)), size, root)

    def _customer(self, ref: str) -> UUID | None:
        """Whom `ref` names; by UUID an erased customer too, whom the vault has forgotten."""
        try:
            return UUID(ref)
        except ValueError:
            pass
        try:
            return self._vault.find(ref)
        except (BadIdentifier, ValueError):
            raise BadReference("This names nobody in any form.") from None

    def _keys(self, key_id: str) -> dict[str, bytes]:
        """The key of that id, unless it was destroyed; nothing is sealed under no id."""
        return self._vault.keys([key_id]) if key_id else {}

    def _record(
        self, stream: UUID, about: dict[str, Any], who: Principal, purpose: str | None
    ) -> bool:
        """Record a read in the stream it was of. False if nothing in it may be opened.

        Raises:
            BadPurpose: the purpose cannot be recorded.
        """
        if stream == PLATFORM:
            tell_own_read(self._ledger, self._clock(), about["what"], who)
            return False
        read = {**about, **reader(who, opened=purpose is not None)}
        if purpose is not None:
            read["purpose"] = purpose
        try:
            return tell_read(self._recorder, self._catalog, self._clock(), stream, read)
        except Unspeakable:
            raise BadPurpose(
                "The purpose cannot be recorded. State it in 1 to 500 characters."
            ) from None


def event_shape(event: Recorded, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """An event as JSON, bytes in base64; `opened` is its body with what `keys` open."""
    header = event.header
    shape: dict[str, Any] = {
        "position": event.position,
        "customer": str(header.stream),
        "version": header.version,
        "type": header.type,
        "occurred_at": format_time(header.occurred_at),
        "recorded_at": format_time(header.recorded_at),
        "header": encoded(event.packed_header),
        "leaf": encoded(event.leaf),
    }
    if event.body is None:
        return {**shape, "body_digest": encoded(event.body_digest)}
    shape["body"] = encoded(event.body)
    if keys:
        shape["opened"] = open_body(event.body, header.stream, keys)
    return shape


def proof_of(prover: Prover, event: Recorded) -> list[bytes] | None:
    """The hashes from an event to the root; None where the ledger is too damaged to give any."""
    try:
        return prover.inclusion(event.position)
    except LedgerGap:
        return None


def proved_shape(
    event: Recorded, keys: Mapping[str, bytes], size: int, proof: Sequence[bytes] | None
) -> dict[str, Any]:
    """An event as JSON with its proof, if there is one."""
    shape = event_shape(event, keys)
    return shape if proof is None else {**shape, "proof": proof_shape(size, event.position, proof)}


def proof_shape(size: int, position: int, hashes: Sequence[bytes]) -> dict[str, Any]:
    """An inclusion proof as JSON."""
    return {"size": size, "position": position, "hashes": [encoded(each) for each in hashes]}


def finding_shape(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {"fault": finding.fault, "position": finding.position, "words": finding.words}


def _no_keys(_key_id: str) -> dict[str, bytes]:
    return {}


def encoded(value: bytes) -> str:
    """Bytes as they stand in JSON: standard base64."""
    return b64encode(value).decode()
