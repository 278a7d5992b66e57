"""The invariants of promises.md, I1 to I12: one function each, which says in words what is broken.

Each takes the evidence and yields a sentence for each violation; none means it holds. They run
after every fault test, and where a part is not built yet its invariant finds nothing to judge.
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import orjson
from standardwebhooks import Webhook

from tests.faults.canaries import hiding_places, written_forms
from tests.faults.evidence import Tree
from tests.faults.fresh import fingerprints, folded_afresh, positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.faults.evidence import Evidence, Row

MOST_WORDS = 5
"""So many violations of one invariant are told."""
NO_LEAF = bytes(32)
RECOVERED_SECONDS = 30.0
ALERTS = UUID("6f0f3b6e-6a51-5d0b-9b58-0f6f1c1e7a55")
"""The namespace of alert ids: a promise to receivers, so it stands here a second time."""
ALERT_RULE = "churn_signals"
NEVER_TOLD = {"missed": True, "late": True, "alerted": False}
"""Signals marked so are history found out afterwards, and raise no alert."""


def i1_acknowledged_is_stored_once_as_sent(evidence: Evidence) -> Iterator[str]:
    """Every acknowledged id is in the ledger exactly once with the bytes sent and its receipt."""
    yield from evidence.record.odd
    stored: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in evidence.rows:
        stored[row.source, row.event_id].append(row)
    for key, receipt in evidence.record.receipts.items():
        rows = stored.get(key, [])
        if len(rows) != 1:
            yield f"{key} was acknowledged at {receipt.position} and is stored {len(rows)} times"
            continue
        [row] = rows
        if (str(row.stream), row.position, row.leaf) != (
            receipt.customer,
            receipt.position,
            receipt.leaf,
        ):
            yield f"{key} was acknowledged at {receipt.position}, row {row.position} says otherwise"
        unreadable = row.stream in evidence.erased
        if not unreadable and evidence.as_sent(row) != evidence.record.sent[key]:
            yield f"{key} at {row.position} is stored with other content than was sent"


def i2_nothing_is_stored_that_nobody_sent(evidence: Evidence) -> Iterator[str]:
    """Nothing is there that nobody sent, and the platform says only what it proposed."""
    proposed = {name for (name,) in evidence.ask("SELECT id FROM outbox.proposals")}
    for row in evidence.rows:
        key = row.source, row.event_id
        if row.source == "rapport/signals" and row.event_id not in proposed:
            yield f"{key} at {row.position} was never proposed"
        if row.ours:
            continue
        sent, unreadable = evidence.record.sent.get(key), row.stream in evidence.erased
        if sent is None:
            yield f"{key} at {row.position} was never sent"
        elif not unreadable and evidence.as_sent(row) != sent:
            yield f"{key} at {row.position} has content that was never sent under this id"
        elif key in evidence.record.early:
            yield f"{key} at {row.position} was set aside and is stored"


def i3_order_is_kept(evidence: Evidence) -> Iterator[str]:
    """Versions per stream are 1..n, and each emitter's events stand as it was acknowledged."""
    for stream, rows in evidence.streams.items():
        versions = [row.version for row in rows]
        if versions != list(range(1, len(rows) + 1)):
            yield f"stream {stream} has the versions {versions}"
    receipts = evidence.record.receipts
    for emitter, keys in evidence.record.orders.items():
        for before, after in pairwise(keys):
            if receipts[before].position >= receipts[after].position:
                yield f"{emitter} was acknowledged {before[1]} first; it stands behind {after[1]}"


def i4_the_log_is_whole(evidence: Evidence) -> Iterator[str]:
    """Positions are dense 1..size, leaves and root right, checkpoints name roots of this log."""
    tree, last = Tree(), dict[UUID, bytes]()
    noted = defaultdict[int, list[tuple[str, bytes]]](list)
    for place, size, root in _checkpoints(evidence):
        noted[size].append((place, root))
    recorded_at = datetime.min.replace(tzinfo=UTC)
    for number, row in enumerate(evidence.rows, start=1):
        yield from _row_faults(number, row, last.get(row.stream, NO_LEAF), recorded_at)
        recorded_at, last[row.stream] = row.recorded_at, row.leaf
        tree.push(row.leaf)
        wrong = [place for place, root in noted.pop(number, ()) if root != tree.root]
        yield from (f"{place} signs another root at size {number}" for place in wrong)
    yield from (
        f"{noted[size][0][0]} signs size {size}, which is not there" for size in noted if size
    )
    [(size, frontier)] = evidence.ask("SELECT size, frontier FROM ledger.head")
    if size != len(evidence.rows):
        yield f"the head says {size} events, and there are {len(evidence.rows)}"
    if bytes(frontier) != tree.edge:
        yield "the head's frontier is not that of the leaves"


def i5_read_models_equal_a_fresh_fold(evidence: Evidence) -> Iterator[str]:
    """Each read model equals a fresh fold of the ledger at its own position."""
    with folded_afresh(evidence.superuser) as fresh:
        then, reached = fingerprints(fresh), positions(fresh)
    if reached != positions(evidence.superuser):
        yield f"a fresh fold came to {reached}, the live one to {positions(evidence.superuser)}"
    for name, live in fingerprints(evidence.superuser).items():
        if live != then.get(name):
            yield f"read.{name} holds {live}, a fresh fold {then.get(name)}"


def i6_no_reader_goes_back_or_ahead(evidence: Evidence) -> Iterator[str]:
    """A checkpoint never moves back and never passes the ledger's end."""
    [(size,)] = evidence.ask("SELECT size FROM ledger.head")
    last = dict[str, int]()
    ends = [(name, position, size) for name, position in positions(evidence.superuser).items()]
    ends += [
        (f"notifier {name}", position, size)
        for name, position in evidence.ask("SELECT name, position FROM notifier.checkpoints")
    ]
    seen = [(each.reader, each.position, each.size) for each in evidence.samples]
    for reader, position, end in [*seen, *ends]:
        if position < last.get(reader, 0):
            yield f"{reader} was at {last[reader]} and then at {position}"
        if position > end:
            yield f"{reader} was at {position} where the ledger ended at {end}"
        last[reader] = position


def i7_the_sink_got_every_alert(evidence: Evidence) -> Iterator[str]:
    """The sink's alert ids are the expected ones; each came with the same bytes, signed."""
    raised = [row for row in evidence.rows if row.type == "churn_signal.raised"]
    yield from _unraised(evidence, raised)
    cleared = {
        r.data["signal_id"]: r.position for r in evidence.rows if r.type == "churn_signal.cleared"
    }
    may = {_alert_id(row): row for row in raised if not _is_history(row.data)}
    got: dict[str, set[bytes]] = defaultdict(set)
    for received in evidence.received:
        got[received.alert_id].add(received.body)
        if not _is_signed(received.headers, received.body, evidence.webhook_secret):
            yield f"alert {received.alert_id} came with a wrong signature"
    yield from (f"alert {alert} came and nobody raised it" for alert in got.keys() - may.keys())
    yield from (f"alert {alert} came in {len(b)} forms" for alert, b in got.items() if len(b) > 1)
    for alert in may.keys() - got.keys() if evidence.webhook_secret else ():
        row = may[alert]
        if cleared.get(row.data["signal_id"], 0) < row.position:
            yield f"alert {alert} of position {row.position} never came"


def i8_nothing_is_lost_in_a_corner(evidence: Evidence) -> Iterator[str]:
    """What was set aside is there once with its reason; nothing else was given up."""
    aside = evidence.ask("SELECT source, event_id, reason FROM ops.quarantine")
    counted = Counter((source, event_id) for source, event_id, _ in aside)
    for key in evidence.record.early - counted.keys():
        yield f"{key} was answered quarantined and is not there"
    for key, times in counted.items():
        if times != 1 or key not in evidence.record.sent:
            yield f"{key} is in quarantine {times} times"
    for source, event_id, reason in aside:
        if not reason:
            yield f"{(source, event_id)} is in quarantine without a reason"
    for position, rule, reason in evidence.ask(
        "SELECT position, rule, reason FROM notifier.stumbles"
    ):
        yield f"rule {rule} stumbled at {position}: {reason}"
    for name, reason in evidence.ask("SELECT id, reason FROM ops.refused_proposals"):
        yield f"proposal {name} was refused: {reason}"
    dead = "SELECT alert_id, last_error FROM notifier.deliveries WHERE status = 'dead'"
    for alert, reason in evidence.ask(dead):
        yield f"alert {alert} was given up: {reason}"


def i10_the_erased_are_unreadable(evidence: Evidence) -> Iterator[str]:
    """Of an erased customer no key and no identifier is left, and none of their values opens."""
    for customer in evidence.record.erasures - set(map(str, evidence.erased)):
        yield f"customer {customer} was to be erased and is not"
    for stream in evidence.erased:
        left = [
            table
            for table in ("vault.keys", "vault.identifiers", "ops.quarantine")
            if evidence.ask(f"SELECT FROM {table} WHERE stream = %s LIMIT 1", stream)
        ]
        if left:
            yield f"erased customer {stream} still stands in {', '.join(left)}"
        if not evidence.ask("SELECT FROM vault.fences WHERE stream = %s", stream):
            yield f"erased customer {stream} has no fence"
    for row in evidence.rows:
        if row.stream in evidence.erased and not row.ours and evidence.as_sent(row) is not None:
            yield f"position {row.position} of erased customer {row.stream} can still be read"


def i11_everything_came_back_in_time(evidence: Evidence) -> Iterator[str]:
    """Within 30 s after a fault events are taken again, and after the last all is caught up."""
    for recovery in evidence.recoveries:
        if recovery.seconds > RECOVERED_SECONDS:
            yield f"no event was taken for {recovery.seconds:.1f} s after {recovery.after}"
    if evidence.caught_up_seconds > RECOVERED_SECONDS:
        yield f"the readers caught up {evidence.caught_up_seconds:.1f} s after the last fault"


def i12_nothing_personal_is_readable(evidence: Evidence) -> Iterator[str]:
    """No canary stands in any log, nor unsealed in any file of the data folder."""
    if not evidence.canary:
        return
    forms = written_forms(evidence.canary)
    for path in hiding_places(evidence.logs, evidence.folder):
        found = [name for name, pattern in forms.items() if pattern in path.read_bytes()]
        if found:
            yield f"{path.name} holds a personal value as {', '.join(found)}"


INVARIANTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": i1_acknowledged_is_stored_once_as_sent,
    "I2": i2_nothing_is_stored_that_nobody_sent,
    "I3": i3_order_is_kept,
    "I4": i4_the_log_is_whole,
    "I5": i5_read_models_equal_a_fresh_fold,
    "I6": i6_no_reader_goes_back_or_ahead,
    "I7": i7_the_sink_got_every_alert,
    "I8": i8_nothing_is_lost_in_a_corner,
    "I10": i10_the_erased_are_unreadable,
    "I11": i11_everything_came_back_in_time,
    "I12": i12_nothing_personal_is_readable,
}
"""I9 (nothing is read across roles) is asked of a running platform: tests/faults/roles.py."""


def violations(evidence: Evidence, names: Sequence[str] = tuple(INVARIANTS)) -> list[str]:
    """What is broken of the invariants called `names`, in words; empty if all hold."""
    return [
        f"{name} {words}"
        for name in names
        for words in islice(INVARIANTS[name](evidence), MOST_WORDS)
    ]


def _row_faults(number: int, row: Row, previous: bytes, recorded_at: datetime) -> Iterator[str]:
    if row.position != number:
        yield f"position {number} is missing; the next is {row.position}"
    if row.leaf_after(previous) != row.leaf:
        yield f"position {row.position} does not hash to its leaf"
    if row.recorded_at < recorded_at:
        yield f"position {row.position} was recorded before the one in front of it"


def _checkpoints(evidence: Evidence) -> Iterator[tuple[str, int, bytes]]:
    """Every checkpoint that was ever signed for this log: where it stands, its size and root."""
    notes = dict[str, str]()
    if evidence.has("ledger.checkpoints"):
        signed = evidence.ask("SELECT size, note FROM ledger.checkpoints")
        notes = {f"ledger.checkpoints at {size}": note for size, note in signed}
    if evidence.folder is not None:
        for path in sorted((evidence.folder / "checkpoints").rglob("*.checkpoint")):
            notes[path.name] = path.read_text()
    for place, note in notes.items():
        _, size, root, *_ = note.split("\n")
        yield place, int(size), b64decode(root, validate=True)


def _unraised(evidence: Evidence, raised: Sequence[Row]) -> Iterator[str]:
    """Each alarming complaint that was acknowledged must have raised one signal."""
    counted = Counter(row.stream for row in raised if row.data["kind"] == "complaint_unresolved")
    for key in evidence.record.complaints:
        receipt = evidence.record.receipts.get(key)
        if receipt is not None and counted[UUID(receipt.customer)] != 1:
            times = counted[UUID(receipt.customer)]
            yield f"the complaint {key} at {receipt.position} raised {times} signals"


def _alert_id(row: Row) -> str:
    """The id of a signal's alert: uuid5 over event, rule and policy version (ADR 0015)."""
    policy = row.data.get("policy_version") or "unversioned"
    named = orjson.dumps((row.source, row.event_id, ALERT_RULE, policy)).decode()
    return str(uuid5(ALERTS, named))


def _is_history(data: Mapping[str, Any]) -> bool:
    return any(data.get(name) is value for name, value in NEVER_TOLD.items())


def _is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a signature of Standard Webhooks is right, however long ago it was made."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = Webhook(secret).sign(headers["webhook-id"], at, body.decode())
    return signature in headers["webhook-signature"].split()
