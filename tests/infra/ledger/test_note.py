"""Signed notes are those of C2SP: vectors of golang.org/x/mod/sumdb/note, and every mangling."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from infra.plumbing.ledger.note import (
    KeyMalformed,
    NoteError,
    NoteMalformed,
    NoteUnsigned,
    VerifierKey,
    is_name,
    open_note,
    parse_key,
    parse_keys,
    parse_note,
    public_key_of,
    sign_note,
)

# From note_test.go of golang.org/x/mod (BSD-3-Clause, The Go Authors).
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
SEED = b64decode(SKEY)[1:]
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}".encode()
PETER = parse_key(VKEY)
OTHER = VerifierKey("EnochRoot", public_key_of(bytes(range(32))))


def other_line(text: str) -> str:
    return sign_note(text, bytes(range(32)), ["EnochRoot"]).rpartition("\n\n")[2]


def test_the_published_note_opens_and_is_signed_again_to_the_byte() -> None:
    assert open_note(NOTE, [PETER]) == (TEXT, [PETER])
    assert sign_note(TEXT, SEED, ["PeterNeumann"]).encode() == NOTE


def test_a_key_is_written_as_it_was_read() -> None:
    assert str(PETER) == VKEY
    assert PETER.public_key == public_key_of(SEED)
    assert PETER.key_id.hex() == "c74f20a3"


def test_no_part_of_a_key_is_taken_for_the_key() -> None:
    for start in range(len(VKEY)):
        for end in range(start + 1, len(VKEY) + 1):
            if (start, end) != (0, len(VKEY)):
                with pytest.raises(KeyMalformed):
                    parse_key(VKEY[start:end])


def test_no_changed_character_of_a_key_is_passed_over() -> None:
    for at in range(len(VKEY)):
        with pytest.raises(KeyMalformed):
            parse_key(VKEY[:at] + chr(ord(VKEY[at]) + 1) + VKEY[at + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_key_of_another_length_or_kind_is_refused(text: str) -> None:
    with pytest.raises(KeyMalformed):
        parse_key(text)


def test_no_single_flipped_bit_of_a_note_is_passed_over() -> None:
    for bit in range(8 * len(NOTE)):
        flipped = bytearray(NOTE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NoteError):
            open_note(bytes(flipped), [PETER])


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    cosigned = NOTE + other_line(TEXT).encode()
    assert open_note(cosigned, [PETER]) == (TEXT, [PETER])
    assert open_note(cosigned, [OTHER]) == (TEXT, [OTHER])
    assert open_note(cosigned, [OTHER, PETER]) == (TEXT, [PETER, OTHER])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    spoiled = NOTE + other_line("Something else.\n").encode()
    assert open_note(spoiled, [PETER]) == (TEXT, [PETER])
    with pytest.raises(NoteUnsigned, match="EnochRoot"):
        open_note(spoiled, [PETER, OTHER])


def test_a_key_with_the_same_name_and_another_id_is_unknown() -> None:
    namesake = VerifierKey("PeterNeumann", OTHER.public_key)
    with pytest.raises(NoteUnsigned, match="None of the given keys"):
        open_note(NOTE, [namesake])


def test_the_text_may_hold_empty_lines() -> None:
    text = "one\n\ntwo\n\nthree\n"
    assert open_note(sign_note(text, SEED, ["PeterNeumann"]).encode(), [PETER])[0] == text


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        TEXT.encode(),
        TEXT.encode() + b"\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("— ".encode(), b"- "),
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace(b"think", b"th\x07nk"),
        NOTE.replace(b"think", b"th\xffnk"),
        NOTE.replace(b" x08go", b"  x08go"),
        NOTE.replace(b"x08go/", b"x08go!"),
        TEXT.encode() + "\n— PeterNeumann AAAA\n".encode(),
        TEXT.encode() + "\n— Peter+Neumann AAAAAAA=\n".encode(),
        TEXT.encode() + b"\n" + SIGNATURE.encode() * 101,
        b"a" * 1_000_000 + b"\n\n" + SIGNATURE.encode(),
    ],
)
def test_what_is_no_note_is_refused(note: bytes) -> None:
    with pytest.raises(NoteMalformed):
        parse_note(note)


def test_base64_that_would_not_be_written_so_is_refused() -> None:
    line = b64encode(bytes(69)).decode()
    loose = line[:-1].rstrip("=") + "B=" if line.endswith("=") else f"{line[:-1]}B"
    with pytest.raises(NoteMalformed):
        parse_note(f"{TEXT}\n— PeterNeumann {loose}=\n".encode())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\x00b"])
def test_a_name_with_a_space_or_a_plus_signs_nothing(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(KeyMalformed):
        sign_note(TEXT, SEED, [name])


@pytest.mark.parametrize("text", ["", "no end", "bell\x07\n"])
def test_what_could_not_be_read_back_is_not_signed(text: str) -> None:
    with pytest.raises(NoteMalformed):
        sign_note(text, SEED, ["PeterNeumann"])


def test_a_file_of_keys_has_one_a_line_and_at_least_one() -> None:
    assert parse_keys(f"\n{VKEY}\n\n  {OTHER}\n") == [PETER, OTHER]
    with pytest.raises(KeyMalformed):
        parse_keys("\n")
    with pytest.raises(KeyMalformed):
        parse_keys(f"{VKEY}\nnonsense\n")
