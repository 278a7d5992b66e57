"""The signer signs a log that only grew, and refuses every other; its files outlive a crash."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.plumbing.ledger import recount, signing
from infra.plumbing.ledger.checkpoint import open_checkpoint
from infra.plumbing.ledger.kept import (
    LogReplaced,
    LogRewritten,
    LogRolledBack,
    SignerError,
    SignerFileDamaged,
    SignerKeyMissing,
)
from infra.plumbing.ledger.merkle import verify_consistency
from infra.plumbing.ledger.note import parse_keys
from infra.plumbing.ledger.proofs import Prover
from infra.plumbing.ledger.signing import Places, Signer, is_due
from infra.plumbing.ledger.started import refuse_another_log
from tests.infra.ledger.conftest import ROLLED_BACK, grow

if TYPE_CHECKING:
    import psycopg
    from conftest import MakeEvent

    from infra.plumbing.ledger.ledger import Ledger
    from tests.infra.ledger.conftest import Open


def opened(note: str | None, signer: Signer) -> tuple[int, bytes]:
    assert note is not None
    checkpoint = open_checkpoint(note.encode(), [signer.key])
    return checkpoint.size, checkpoint.root


def notes_in(ledger: Ledger) -> list[tuple[int, str]]:
    return ledger.recorder.rows(b"SELECT size, note FROM ledger.checkpoints ORDER BY size", {})


def test_a_new_log_is_signed_while_it_is_empty(open_signer: Open, ledger: Ledger) -> None:
    signer = open_signer()
    assert opened(signer.sign(), signer) == (0, Prover(ledger.recorder.rows).root())
    assert signer.sign() is None


def test_each_checkpoint_begins_with_the_one_before(
    open_signer: Open, ledger: Ledger, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "LEAVES", 3)
    signer = open_signer()
    before = opened(signer.sign(), signer)
    for events in (1, 2, 5, 9, 1):
        grow(ledger, make_event, events)
        signer = open_signer() if events == 5 else signer
        size, root = opened(signer.sign(), signer)
        proof = Prover(ledger.recorder.rows, size).consistency(before[0])
        assert verify_consistency(before[0], size, before[1], root, proof)
        before = size, root
    assert [size for size, _ in notes_in(ledger)] == [0, 1, 3, 8, 17, 18]


def test_a_checkpoint_is_remembered_published_and_kept_in_the_database(
    open_signer: Open, ledger: Ledger, make_event: MakeEvent, places: Places
) -> None:
    grow(ledger, make_event, 3)
    signer = open_signer()
    note = signer.sign()
    assert note is not None
    assert notes_in(ledger) == [(3, note)]
    for name in ("latest.checkpoint", "2026-01-05.checkpoint"):
        assert (places.published / name).read_text() == note
    assert parse_keys((places.published / "public-key").read_text()) == [signer.key]
    for secret in (places.key, places.remembered):
        assert secret.stat().st_mode & 0o077 == 0
    assert signer.key.name == f"rapport/{ledger.deployment()}"


def test_what_was_remembered_and_not_published_is_published_at_the_next_start(
    open_signer: Open, ledger: Ledger, make_event: MakeEvent, places: Places, intruder: Any
) -> None:
    open_signer().sign()
    first = (places.published / "latest.checkpoint").read_text()
    grow(ledger, make_event, 3)
    note = open_signer().sign()
    (places.published / "latest.checkpoint").write_text(first)
    intruder.execute("DELETE FROM ledger.checkpoints WHERE size = 3")
    open_signer()
    assert (places.published / "latest.checkpoint").read_text() == note
    assert [size for size, _ in notes_in(ledger)] == [0, 3]


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_a_log_rolled_back_is_refused_in_one_sentence(open_signer: Open) -> None:
    with pytest.raises(LogRolledBack, match="holds 4 events, but a checkpoint of 9"):
        open_signer()


def test_a_log_rolled_back_under_a_running_signer_or_one_without_memory_is_refused(
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    places: Places,
    intruder: psycopg.Connection[Any],
) -> None:
    grow(ledger, make_event, 4)
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    grow(ledger, make_event, 5)
    signer = open_signer()
    signer.sign()
    intruder.execute(ROLLED_BACK)
    with pytest.raises(LogRolledBack, match="holds 4 events, but a checkpoint of 9"):
        signer.sign()
    places.remembered.unlink()
    with pytest.raises(LogRolledBack, match="holds 4 events, but a checkpoint of 9"):
        open_signer()


@pytest.mark.usefixtures("signed_then_rolled_back")
def test_a_log_rolled_back_and_written_on_is_refused(
    open_signer: Open,
    restarted: Ledger,
    make_event: MakeEvent,
    places: Places,
    owner: psycopg.Connection[Any],
) -> None:
    grow(restarted, make_event, 8)
    signer = open_signer()
    with pytest.raises(LogRewritten):
        signer.sign()
    with pytest.raises(LogRewritten):
        refuse_another_log(owner, places.published)
    rows = restarted.recorder.rows
    with pytest.raises(LogRewritten):
        refuse_another_log(owner, places.published, lambda size: Prover(rows, size).root())


@pytest.mark.parametrize(
    "crime",
    [
        "UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 7",
        "DELETE FROM ledger.rows WHERE position = 7",
        "UPDATE ledger.head SET frontier = sha256('x') || substr(frontier, 33)",
        "UPDATE ledger.rows SET position = 99 WHERE position = 8",
    ],
)
def test_events_changed_before_they_were_signed_are_not_signed(
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    intruder: psycopg.Connection[Any],
    crime: str,
) -> None:
    grow(ledger, make_event, 5)
    signer = open_signer()
    signer.sign()
    grow(ledger, make_event, 5)
    intruder.execute(crime.encode())
    with pytest.raises(LogRewritten):
        signer.sign()
    assert [size for size, _ in notes_in(ledger)] == [5]


def test_a_signer_without_memory_reads_all_and_compares_with_what_was_published(
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    places: Places,
    intruder: psycopg.Connection[Any],
) -> None:
    grow(ledger, make_event, 5)
    open_signer().sign()
    grow(ledger, make_event, 5)
    places.remembered.unlink()
    signer = open_signer()
    assert opened(signer.sign(), signer)[0] == 10
    places.remembered.unlink()
    intruder.execute("UPDATE ledger.rows SET leaf = sha256('x') WHERE position = 2")
    with pytest.raises(LogRewritten):
        open_signer()


def test_another_database_under_the_same_files_is_refused(
    open_signer: Open, intruder: psycopg.Connection[Any]
) -> None:
    signer = open_signer()
    signer.sign()
    intruder.execute("UPDATE ledger.head SET deployment = gen_random_uuid()")
    with pytest.raises(LogReplaced):
        signer.sign()
    with pytest.raises(LogReplaced):
        open_signer()


def test_a_lost_key_is_not_replaced_in_silence(open_signer: Open, places: Places) -> None:
    open_signer().sign()
    places.key.unlink()
    with pytest.raises(SignerKeyMissing, match="Restore it from your backup"):
        open_signer()
    assert not places.key.exists()
    places.remembered.unlink()
    with pytest.raises(SignerKeyMissing):
        open_signer()


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "00" * 32])
def test_a_key_that_did_not_sign_is_told(open_signer: Open, places: Places, content: str) -> None:
    open_signer().sign()
    places.key.write_text(content)
    with pytest.raises(SignerFileDamaged, match="your backup"):
        open_signer()


@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        (".+", ""),
        (".+", "{}"),
        (".+", '{"note": 1, "frontier": "!"}'),
        ('"frontier":"', '"frontier":"AAAA'),
        ('"frontier":"....', '"frontier":"AAAA'),
    ],
)
def test_a_damaged_memory_is_told(  # noqa: PLR0913, PLR0917 - fixtures and a row of a table
    open_signer: Open,
    places: Places,
    ledger: Ledger,
    make_event: MakeEvent,
    written: str,
    damaged: str,
) -> None:
    grow(ledger, make_event, 3)
    open_signer().sign()
    places.remembered.write_text(re.sub(written, damaged, places.remembered.read_text()))
    with pytest.raises(SignerFileDamaged):
        open_signer()


@pytest.mark.parametrize("name", ["published", "remembered", "key"])
def test_a_folder_that_cannot_be_used_is_told(open_signer: Open, places: Places, name: str) -> None:
    path = getattr(places, name)
    folder = path if name == "published" else path.parent
    folder.write_text("a file where a folder should be")
    with pytest.raises(SignerError, match=r"cannot be (written|read)"):
        open_signer().sign()


def test_a_file_of_public_keys_that_holds_something_else_is_told(
    open_signer: Open, places: Places
) -> None:
    places.published.mkdir()
    (places.published / "public-key").write_text("nonsense")
    with pytest.raises(SignerFileDamaged, match="Move it away"):
        open_signer().sign()


@pytest.mark.parametrize(
    ("unsigned", "seconds", "asked", "due"),
    [
        (0, 1e9, True, False),
        (1, 59.9, False, False),
        (1, 60.0, False, True),
        (1, 0.0, True, True),
        (9_999, 0.0, False, False),
        (10_000, 0.0, False, True),
    ],
)
def test_a_checkpoint_is_due_after_a_minute_or_ten_thousand_events_or_when_asked(
    unsigned: int, seconds: float, *, asked: bool, due: bool
) -> None:
    assert is_due(unsigned, seconds, asked=asked) is due


def test_a_log_that_went_back_is_refused_at_the_next_look_though_nothing_is_to_be_signed(
    open_signer: Open, ledger: Ledger, make_event: MakeEvent, intruder: psycopg.Connection[Any]
) -> None:
    signer = open_signer()
    grow(ledger, make_event, 4)
    intruder.execute("CREATE TABLE saved AS SELECT frontier FROM ledger.head")
    grow(ledger, make_event, 5)
    signer.sign()
    assert signer.look().size == 9
    intruder.execute("UPDATE ledger.head SET frontier = sha256('x') || substr(frontier, 33)")
    with pytest.raises(LogRewritten):
        signer.look()
    intruder.execute(ROLLED_BACK)
    with pytest.raises(LogRolledBack, match="holds 4 events, but a checkpoint of 9"):
        signer.look()


@pytest.mark.parametrize("position", [1, 5, 12])
@pytest.mark.parametrize(
    "crime",
    [
        "UPDATE ledger.rows SET leaf = sha256('x') WHERE position = %s",
        "DELETE FROM ledger.rows WHERE position = %s",
    ],
)
def test_signed_leaves_are_read_again_round_and_round(  # noqa: PLR0913, PLR0917 - fixtures
    open_signer: Open,
    ledger: Ledger,
    make_event: MakeEvent,
    intruder: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    position: int,
    crime: str,
) -> None:
    monkeypatch.setattr(signing, "SLICE", 5)
    signer = open_signer()
    grow(ledger, make_event, 12)
    signer.sign()
    for _ in range(7):  # over the end and in the middle of the third round
        signer.reread()
    grow(ledger, make_event, 3)
    signer.sign()
    intruder.execute(crime.encode(), (position,))
    with pytest.raises(LogRewritten):
        _ = [signer.reread() for _ in range(6)]  # two rounds at most
