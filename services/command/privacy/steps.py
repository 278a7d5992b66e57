"""What is done for each kind of request, step by step. Each step is one transaction.

An erasure: the fence first, so that nothing is sealed under the key any more and appended; then key
and names together; then what hangs on them; last the event that says so, with the certificate. A
step done twice changes nothing the second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from infra.plumbing.ledger.answers import Duplicate, Fenced, Stored
from infra.plumbing.ledger.append import Writer
from infra.plumbing.vault import erasure
from services.command.privacy import events
from services.command.privacy.requests import SQL
from services.command.privacy.values import Kind
from services.command.replay import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection

    from events.catalog import Catalog
    from infra.plumbing.clock import Clock
    from infra.plumbing.ledger.answers import NewEvent, Outcome, Receipt
    from infra.plumbing.ledger.tiles import Rows
    from infra.plumbing.vault.vault import Vault
    from services.command.privacy.journal import Journal
    from services.command.privacy.values import Request
    from services.command.record import Recorder
    from services.command.replay import Tried


@dataclass(frozen=True, slots=True)
class Means:
    """What the steps work with.

    `recorder` is the way in that every event takes; `rows` reads the ledger.
    `rewrite` sees that live files hold nothing deleted before an instant, and tells how many tables
    that took; None where this program has no owner's way in. `journal` is what a restored database
    is told by.
    """

    vault: Vault
    catalog: Catalog
    recorder: Recorder
    rows: Rows
    mac_key: bytes
    clock: Clock
    rewrite: Callable[[datetime], int] | None = None
    journal: Journal | None = None


@dataclass(slots=True)
class Work:
    """One step at work: its open transaction, the request, and what the steps before counted.

    `since` is when the step before was done; `receipts` are of the events this step appends.
    """

    connection: Connection[Any]
    request: Request
    counted: Mapping[str, int]
    since: datetime
    means: Means
    receipts: list[Receipt] = field(default_factory=list["Receipt"])

    @property
    def stream(self) -> UUID:
        """The customer; for requests that have one.

        Raises:
            LookupError: this request is about a name that no customer has.
        """
        if self.request.stream is None:
            raise LookupError("The request names no customer.")
        return self.request.stream

    def journal(self, hashes: Iterable[bytes]) -> None:
        """Write down outside the database what this step does to the list."""
        if self.means.journal is not None:
            request, at = self.request, self.means.clock()
            self.means.journal.note(request.type, request.id, request.stream, hashes, at)

    def names(self, *, withheld: bool = False) -> frozenset[bytes]:
        """The hashes on the list for whom the request is about; `withheld`: none released."""
        hashes, request = self.means.vault.hashes, self.request
        return erasure.names_of(
            self.connection, hashes, request.stream, request.hash, withheld=withheld
        )

    def rowcount(self, query: str, **values: Any) -> int:
        """Run a statement and tell how many rows it changed."""
        return self.connection.execute(SQL[query], values).rowcount

    def value(self, query: str, **values: Any) -> Any:
        """The one value a query answers."""
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(SQL[query], values).fetchone()
        return None if row is None else row[0]


class Taken(Exception):
    """The name that a request is about has become a customer's since it was asked."""

    def __init__(self, stream: UUID) -> None:
        """`stream` is the customer."""
        super().__init__("The name has become a customer's.")
        self.stream = stream


Step = tuple[str, "Callable[[Work], Mapping[str, int]]"]


def plan(request: Request) -> tuple[Step, ...]:
    """The steps of a request, in order."""
    match request.type:
        case Kind.ACCESS:
            return (("gather", _gather),)
        case Kind.ERASE if request.stream is None:
            return (("quarantine", _drop_withheld), _FILES)
        case Kind.ERASE:
            return _ERASE
        case Kind.SUPPRESS if request.stream is None:
            return (("list", _suppress),)
        case Kind.SUPPRESS:
            return (("list", _suppress), ("ledger", _say_suppressed))
        case Kind.RELEASE:
            return (("list", _release), ("quarantine", _bring_back))


def _gather(work: Work) -> Mapping[str, int]:
    """An export is made when it is fetched: what is kept nowhere need not be erased."""
    named = work.means.vault.identifiers_of([work.stream])
    return {"vault.identifiers": len(named.get(work.stream, ()))}


def _fence(work: Work) -> Mapping[str, int]:
    return {"vault.fences": int(erasure.fence(work.connection, work.stream))}


def _forget(work: Work) -> Mapping[str, int]:
    gone = erasure.forget(work.connection, work.means.vault.hashes, work.stream)
    work.journal(gone.names)
    return {
        "vault.keys": gone.keys,
        "vault.identifiers": gone.identifiers,
        "vault.suppressed": gone.listed,
        "withheld in ops.quarantine": gone.withheld,
    }


def _forget_contents(work: Work) -> Mapping[str, int]:
    forgotten = work.value("forget_content_macs", stream=work.stream)
    return {"ledger.events.content_mac": forgotten}


def _drop_quarantined(work: Work) -> Mapping[str, int]:
    return {"ops.quarantine": work.rowcount("remove_quarantined_of", stream=work.stream)}


def _drop_proposals(work: Work) -> Mapping[str, int]:
    return {"outbox.proposals": work.rowcount("remove_proposals", stream=work.stream)}


def _say_erased(work: Work) -> Mapping[str, int]:
    at = work.value("latest", stream=work.stream, now=work.means.clock())
    event = events.erased(work.stream, work.request.id, at, work.counted, work.means.mac_key)
    work.receipts.append(_receipt(erasure.append_behind_fence(work.connection, event)))
    return {"ledger.events": 1}


def _rewrite(work: Work) -> Mapping[str, int]:
    """The deleted rows out of the live files; over a connection of its own, as their owner."""
    rewrite = work.means.rewrite
    return {"files": 0 if rewrite is None else rewrite(work.since)}


_FILES: Final[Step] = ("files", _rewrite)
_ERASE: Final[tuple[Step, ...]] = (
    ("fence", _fence),
    ("key and identifiers", _forget),
    ("content", _forget_contents),
    ("quarantine", _drop_quarantined),
    ("proposals", _drop_proposals),
    ("ledger", _say_erased),
    _FILES,
)


def _drop_withheld(work: Work) -> Mapping[str, int]:
    """Of a name that nobody has only withheld events can be there."""
    _refuse_taken(work)
    hashes = work.means.vault.hashes
    gone = erasure.drop_withheld(work.connection, hashes, work.request.hash)
    work.journal(work.names())
    return {"withheld in ops.quarantine": gone}


def _refuse_taken(work: Work) -> None:
    """See that nobody has the name, nor takes it before this step is committed.

    Raises:
        Taken: a customer has it. What would be done to the name alone would leave them as they are.
    """
    lookup = work.request.lookup
    stream = None if lookup is None else erasure.holder_of(work.connection, lookup)
    if stream is not None:
        raise Taken(stream)


def _suppress(work: Work) -> Mapping[str, int]:
    _refuse_taken(work)
    request = work.request
    hashes = work.means.vault.hashes
    listed = erasure.suppress(work.connection, hashes, request.stream, request.hash)
    work.journal(work.names(withheld=True))
    return {"vault.suppressed": listed}


def _say_suppressed(work: Work) -> Mapping[str, int]:
    return _say(work, [work.stream], in_force=True)


def _release(work: Work) -> Mapping[str, int]:
    request = work.request
    hashes = work.means.vault.hashes
    names = work.names()
    work.journal(names)
    person, streams = erasure.release(work.connection, hashes, request.stream, request.hash)
    work.connection.execute(SQL["note_person"], {"id": request.id, "person": person})
    work.rowcount("due_again", streams=streams, names=list(names))
    return _say(work, streams, in_force=False)


def _bring_back(work: Work) -> Mapping[str, int]:
    """Record what was withheld; what still cannot be recorded stays, with the reason.

    No row is held while events are recorded: that is done over other connections, which an
    erasure waiting for the row would hold up.
    """
    person, after = work.request.person, 0
    if person is None:
        return {"ops.quarantine": 0, "left in ops.quarantine": 0}
    means = work.means
    again = Again(means.recorder, means.vault, means.catalog)
    tried: dict[int, Tried] = {}
    while True:
        with work.connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(SQL["withheld"], {"person": person, "after": after}).fetchone()
        if row is None:
            break
        after, stream, body = row
        tried[after] = again.tried(after, stream, body)
    recorded = [number for number, each in tried.items() if each.position is not None]
    left = erasure.settle(work.connection, person, recorded)
    for number, each in tried.items():
        if each.reason is not None:
            work.rowcount("stays", id=number, reason=each.reason)
    return {"ops.quarantine": len(recorded), "left in ops.quarantine": left}


def _say(work: Work, streams: Sequence[UUID], *, in_force: bool) -> Mapping[str, int]:
    """Tell it in the history of each; an erased customer's takes nothing more and needs none."""
    at: datetime = work.means.clock()
    before = len(work.receipts)
    erased = 0
    for stream in streams:
        event = events.suppression(
            stream, work.request.id, at, work.means.mac_key, in_force=in_force
        )
        outcome = _append(work.connection, event)
        if isinstance(outcome, Fenced):
            erased += 1
        else:
            work.receipts.append(_receipt(outcome))
    told = {"ledger.events": len(work.receipts) - before}
    return told | {"erased": erased} if erased else told


def _append(connection: Connection[Any], event: NewEvent) -> Outcome:
    [outcome] = Writer().append(connection, [event])
    return outcome


def _receipt(outcome: Outcome) -> Receipt:
    """Raises LookupError where the event is not in the ledger."""
    if isinstance(outcome, Stored | Duplicate):
        return outcome.receipt
    raise LookupError(f"The platform's own event was not stored: {type(outcome).__name__}.")
