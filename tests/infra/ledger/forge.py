"""Exports made without a database, honest ones and every kind of forgery, and both verifiers."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from infra.plumbing import verify as alone
from infra.plumbing.ledger.checkpoint import Checkpoint, sign_checkpoint
from infra.plumbing.ledger.entries import Counts, manifest, write_line
from infra.plumbing.ledger.format import NO_LEAF, Frontier, Header, leaf_hash, pack_header
from infra.plumbing.ledger.given import GivenWrong, read_given
from infra.plumbing.ledger.note import (
    VerifierKey,
    public_key_of,
    sign_note,
)
from infra.plumbing.ledger.verifying import NotTheLog, verify_export

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = bytes(range(32))
THIEVES_SEED = bytes(range(1, 33))
ORIGIN = f"rapport/{UUID(int=1)}"
KEY = str(VerifierKey(ORIGIN, public_key_of(SEED)))
OLD = f"rapport/{UUID(int=7)}"
"""A log that ended when a backup was restored; the export's goes on from it."""
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    """One event; `whole` is False where its body was dropped."""

    header: Header
    body: bytes
    whole: bool = True

    @property
    def digest(self) -> bytes:
        return sha256(self.body).digest()

    @property
    def leaf(self) -> bytes:
        return leaf_hash(pack_header(self.header), self.digest)


def history(events: int, streams: int = 4) -> list[Item]:
    """An honest log: `events` of `streams` customers in turn, each third body dropped."""
    items: list[Item] = []
    for number in range(events):
        header = Header(
            stream=UUID(int=number % streams + 1),
            version=1,
            previous_leaf=NO_LEAF,
            source="shop",
            event_id=f"e-{number}",
            type="note.taken",
            schema="1-0-0",
            occurred_at=START + timedelta(days=number),
            recorded_at=START + timedelta(days=number, minutes=1),
            key_id=f"{number % streams}/1",
        )
        body = orjson.dumps({"data": {"text": f"hello {number}"}})
        items.append(Item(header, body, whole=number % 3 != 2))
    return relinked(items)


def relinked(items: Sequence[Item]) -> list[Item]:
    """The same events with versions and previous leaves that fit together again."""
    last: dict[UUID, tuple[int, bytes]] = {}
    found: list[Item] = []
    for item in items:
        version, leaf = last.get(item.header.stream, (0, NO_LEAF))
        header = replace(item.header, version=version + 1, previous_leaf=leaf)
        linked = replace(item, header=header)
        last[header.stream] = (header.version, linked.leaf)
        found.append(linked)
    return found


def checkpoint_of(items: Sequence[Item], seed: bytes = SEED, origin: str = ORIGIN) -> bytes:
    """The signed checkpoint of these events."""
    tree = Frontier()
    for item in items:
        tree.push(item.leaf)
    return sign_checkpoint(Checkpoint(origin, len(items), tree.root()), seed).encode()


def tree_of(items: Sequence[Item]) -> Frontier:
    """The tree over these events."""
    tree = Frontier()
    for item in items:
        tree.push(item.leaf)
    return tree


def record_of(  # noqa: PLR0913 - each is a way to be false
    old: Sequence[Item],
    agrees: Sequence[Item],
    begins: Sequence[Item],
    *,
    edge: bytes | None = None,
    names: tuple[str, str] = (OLD, ORIGIN),
    signers: tuple[str, ...] = (OLD, ORIGIN),
    seed: bytes = SEED,
) -> bytes:
    """The signed record of a log `old` that ended; `edge` is that of its tree unless given."""

    def told(items: Sequence[Item]) -> str:
        return f"{len(items)} {b64encode(tree_of(items).root()).decode()}"

    packed = tree_of(old).packed() if edge is None else edge
    written = f"edge {b64encode(packed).decode()}\n" if packed else ""
    text = (
        f"{names[1]}\nrestored-from 2\nold {names[0]}\nsigned {told(old)}\n{written}"
        f"agrees {told(agrees)}\nbegins {told(begins)}\nat 2026-03-01T00:00:00Z\nreason fire\n"
    )
    return sign_note(text, seed, signers).encode()


def line_of(item: Item, position: int) -> bytes:
    header = pack_header(item.header)
    content = item.body if item.whole else item.digest
    return write_line(position, header, content, item.leaf, whole=item.whole)


def write_export(
    folder: Path, items: Sequence[Item], note: bytes | None = None, chain: Sequence[bytes] = ()
) -> Path:
    """An export of `items` in a new `folder`; `note` is its checkpoint, else an honest one.

    `chain` are earlier checkpoints.
    """
    note = checkpoint_of(items) if note is None else note
    lines = [line_of(item, position) for position, item in enumerate(items, 1)]
    return write_files(folder, items, lines, note, chain)


def write_files(
    folder: Path,
    items: Sequence[Item],
    lines: Sequence[bytes],
    note: bytes,
    chain: Sequence[bytes] = (),
) -> Path:
    """Lines as given, and a manifest that fits them."""
    folder.mkdir()
    text, earlier = b"".join(lines), b"".join(chain) if chain else None
    counts = Counts(
        events=len(items),
        bodies=sum(item.whole for item in items),
        streams=len({item.header.stream for item in items}),
    )
    (folder / "entries.ndjson").write_bytes(text)
    (folder / "checkpoint").write_bytes(note)
    if earlier is not None:
        (folder / "checkpoints").write_bytes(earlier)
    listed = manifest(ORIGIN, counts, note, sha256(text).digest(), earlier)
    (folder / "manifest.json").write_bytes(listed)
    return folder


def verdict(folder: Path, *, kept: Path | None = None, key: Path | None = None) -> str:
    """What both verifiers say: PASS, or where the fault is. That they agree is asserted."""
    return verdict_in_words(folder, kept=kept, key=key)[0]


def verdict_in_words(
    folder: Path, *, kept: Path | None = None, key: Path | None = None
) -> tuple[str, str]:
    """The same, and why: in the same words where events are missing or their roots differ."""
    ours, theirs = packaged(folder, kept, key), standing_alone(folder, kept, key)
    assert ours[0] == theirs[0], (ours, theirs)
    if ours[0].startswith("positions") or "before" in ours[1]:
        assert ours == theirs
    assert ours[1].partition(";")[2] == theirs[1].partition(";")[2], (ours, theirs)
    return ours


def packaged(folder: Path, kept: Path | None, key: Path | None) -> tuple[str, str]:
    try:
        held, keys = read_given(folder, kept, key)
        verify_export(folder, kept=held, keys=keys)
    except NotTheLog as bad:
        return bad.where, bad.why
    except GivenWrong as wrong:
        return wrong.option, ""
    return "PASS", ""


def standing_alone(folder: Path, kept: Path | None, key: Path | None) -> tuple[str, str]:
    try:
        alone.verify(folder, kept, key)
    except alone.Bad as bad:
        return str(bad.args[0]), str(bad.args[1])
    except OSError as error:
        return Path(error.filename).name, ""
    return "PASS", ""
