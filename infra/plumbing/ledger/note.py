"""C2SP signed notes with Ed25519: a text, a blank line, signature lines. Pure.

    <text, ending in a newline>

    — <key name> <base64(key id || signature)>

The bytes are those of https://c2sp.org/signed-note (signature type 0x01); a key is told to others
as `<key name>+<key id in hexadecimal>+<base64(0x01 || public key)>`. Signatures of keys that the
reader does not know are passed over, so a witness may add its own line.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"
"""The signature type of Ed25519 in key ids and verifier keys."""
KEY_BYTES = 32
KEY_ID_BYTES = 4
MOST_NOTE_BYTES = 1_000_000
MOST_SIGNATURES = 100
_DASH = "— "
_LAST_CONTROL = 0x20


class NoteError(ValueError):
    """A text is no signed note, no known key signed it, or a key cannot be read.

    ::

        NoteError
        ├── NoteMalformed   the bytes are no signed note
        ├── NoteUnsigned    no key that the reader knows signed it, or a signature is wrong
        └── KeyMalformed    a key is not written as it should be
    """


class NoteMalformed(NoteError):
    """The bytes are no signed note."""


class NoteUnsigned(NoteError):
    """No key that the reader knows signed the note, or the signature of one is wrong."""


class KeyMalformed(NoteError):
    """A key's name or text is not written as it should be."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key (32 bytes): what a reader of notes must have."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """`SHA-256(name || 0x0A || 0x01 || public key)[:4]`."""
        named = self.name.encode() + b"\n" + ED25519 + self.public_key
        return sha256(named).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """The key as it is told to others."""
        key = b64encode(ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who says to have signed, under which key id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart. `text` ends in a newline; nothing is believed yet."""

    text: str
    signatures: tuple[NoteSignature, ...]


def parse_key(text: str) -> VerifierKey:
    """The key written as `name+id+base64`.

    Raises:
        KeyMalformed: it is not written so, is no Ed25519 key, or the id is another key's.
    """
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _decoded(encoded)
    if key is None or len(key) != 1 + KEY_BYTES or key[:1] != ED25519 or not is_name(name):
        raise KeyMalformed("The key is not written as name+id+base64 of an Ed25519 public key.")
    found = VerifierKey(name, key[1:])
    if key_id != found.key_id.hex():
        raise KeyMalformed(f"The key of {name} does not belong to its id: copy it again, whole.")
    return found


def parse_keys(text: str) -> list[VerifierKey]:
    """Several keys, one a line; empty lines are passed over.

    Raises:
        KeyMalformed: a line is no key, or there is none.
    """
    keys = [parse_key(line.strip()) for line in text.splitlines() if line.strip()]
    if not keys:
        raise KeyMalformed("There is no key in it: one a line is needed, as name+id+base64.")
    return keys


def public_key_of(seed: bytes) -> bytes:
    """The public key (32 bytes) of the Ed25519 private key with this 32-byte seed."""
    return _private_key(seed).public_key().public_bytes_raw()


def sign_note(text: str, seed: bytes, names: Sequence[str]) -> str:
    """`text` signed by the Ed25519 key of `seed`, once under each of `names`.

    Raises:
        NoteMalformed: the text does not end in a newline or holds control characters.
        KeyMalformed: a name is empty or holds a space or a plus.
    """
    if not _is_clean(text) or not text.endswith("\n"):
        raise NoteMalformed("A note's text ends in a newline and holds no control characters.")
    if not all(map(is_name, names)):
        raise KeyMalformed("A key's name is not empty and holds no space and no plus.")
    key, public_key = _private_key(seed), public_key_of(seed)
    signature = key.sign(text.encode())
    lines = (
        f"{_DASH}{name} {b64encode(VerifierKey(name, public_key).key_id + signature).decode()}\n"
        for name in names
    )
    return f"{text}\n{''.join(lines)}"


def parse_note(note: bytes) -> Note:
    """A note taken apart; whose signatures hold is another question.

    Raises:
        NoteMalformed: the bytes are no signed note.
    """
    if len(note) > MOST_NOTE_BYTES:
        raise NoteMalformed(f"A note has at most {MOST_NOTE_BYTES} bytes.")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise NoteMalformed("The note is no UTF-8 text.") from None
    head, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or not _is_clean(whole):
        raise NoteMalformed("A note is a text, an empty line and signature lines.")
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MOST_SIGNATURES:
        raise NoteMalformed(f"A note has at most {MOST_SIGNATURES} signatures.")
    return Note(head + "\n", tuple(signatures))


def open_note(note: bytes, keys: Sequence[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """The text of a note, and those of `keys` that signed it.

    Raises:
        NoteMalformed: the bytes are no signed note.
        NoteUnsigned: none of `keys` signed it, or a signature under one of them is wrong.
    """
    parsed = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    signed: list[VerifierKey] = []
    for line in parsed.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not _holds(key, line.signature, parsed.text):
            raise NoteUnsigned(f"The signature of {key.name} does not belong to this text.")
        signed.append(key)
    if not signed:
        raise NoteUnsigned("None of the given keys signed it.")
    return parsed.text, signed


def is_name(name: str) -> bool:
    """Whether a key may have this name: not empty, no space, no plus, nothing unprintable."""
    return bool(name) and "+" not in name and not any(map(str.isspace, name)) and _is_clean(name)


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    found = _decoded(encoded)
    if not line.startswith(_DASH) or not is_name(name) or found is None:
        raise NoteMalformed("A signature line is an em dash, a name and base64.")
    if len(found) <= KEY_ID_BYTES:
        raise NoteMalformed("A signature line holds no signature.")
    return NoteSignature(name, found[:KEY_ID_BYTES], found[KEY_ID_BYTES:])


def _private_key(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see `_holds`

    return ed25519.Ed25519PrivateKey.from_private_bytes(seed)


def _holds(key: VerifierKey, signature: bytes, text: str) -> bool:
    # Slow to import, and who verifies an export without a key does not need it.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(encoded: str) -> bytes | None:
    """Strict standard base64: None for anything that would not be written again the same."""
    try:
        found = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b64encode(found).decode() == encoded else None


def _is_clean(text: str) -> bool:
    return all(character == "\n" or ord(character) >= _LAST_CONTROL for character in text)
