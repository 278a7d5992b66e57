"""Checkpoints are those of C2SP tlog-checkpoint, and only the log's own key speaks for it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from uuid import UUID

import pytest

from infra.plumbing.ledger.checkpoint import (
    Checkpoint,
    CheckpointMalformed,
    open_checkpoint,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
)
from infra.plumbing.ledger.note import NoteUnsigned, VerifierKey, public_key_of, sign_note

SEED = bytes(range(32))
ROOT = sha256(b"root").digest()
ORIGIN = origin_of(UUID(int=7))
CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, ROOT)
KEY = VerifierKey(ORIGIN, public_key_of(SEED))
NOTE = sign_checkpoint(CHECKPOINT, SEED).encode()


def signed(text: str) -> bytes:
    return sign_note(text, SEED, [ORIGIN]).encode()


def test_the_note_is_origin_size_and_root_signed_under_the_logs_name() -> None:
    lines = NOTE.decode().split("\n")
    assert lines[:4] == [
        "rapport/00000000-0000-0000-0000-000000000007",
        "20852163",
        b64encode(ROOT).decode(),
        "",
    ]
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert open_checkpoint(NOTE, [KEY]) == read_checkpoint(NOTE) == CHECKPOINT


def test_the_published_example_reads_as_a_checkpoint() -> None:
    # https://c2sp.org/tlog-checkpoint
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    assert read_checkpoint(note.encode()).size == 20_852_163


def test_further_lines_are_passed_over() -> None:
    assert open_checkpoint(signed(f"{CHECKPOINT.text()}one more\nand one\n"), [KEY]) == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n1\n",
        f"{ORIGIN}\n01\n{b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n-1\n{b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n\N{ARABIC-INDIC DIGIT ONE}\n{b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n{'9' * 20}\n{b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n1\n{b64encode(ROOT[:31]).decode()}\n",
        f"{ORIGIN}\n1\n{b64encode(ROOT).decode()[:-2]}B=\n",
        f"{ORIGIN}\nrestored-from 2\nold {ORIGIN}\n",
        f"\n1\n{b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n1\n{b64encode(ROOT).decode()}\n\nmore\n",
    ],
)
def test_a_signed_text_of_another_form_is_no_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(signed(text), [KEY])


def test_another_logs_key_does_not_speak_for_this_log() -> None:
    elsewhere = VerifierKey(origin_of(UUID(int=8)), KEY.public_key)
    with pytest.raises(NoteUnsigned):
        open_checkpoint(NOTE, [elsewhere])
    borrowed = sign_note(CHECKPOINT.text(), SEED, [elsewhere.name]).encode()
    with pytest.raises(CheckpointMalformed, match="another log"):
        open_checkpoint(borrowed, [elsewhere])


def test_a_witness_may_sign_beside_the_log() -> None:
    witness = VerifierKey("witness.example/1", public_key_of(bytes(32)))
    cosigned = (
        NOTE
        + sign_note(CHECKPOINT.text(), bytes(32), [witness.name]).encode().rpartition(b"\n\n")[2]
    )
    assert open_checkpoint(cosigned, [KEY]) == CHECKPOINT
    assert open_checkpoint(cosigned, [KEY, witness]) == CHECKPOINT
