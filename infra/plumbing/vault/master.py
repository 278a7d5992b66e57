"""The door to the master key: a 32-byte secret from which every other secret is derived.

By default a file in the data folder, readable by its owner alone. A key management service would
stand here instead: it would offer the same four methods.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.plumbing.secret_file import refuse_open_file

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
NONCE_BYTES = 12


class VaultError(Exception):
    """The vault cannot do what was asked; the words say what and how to mend it.

    ::

        VaultError
        ├── MasterKeyMissing   the file is not there although the database was sealed with one
        ├── MasterKeyWrong     the file is not a master key, or not this database's
        ├── MasterKeyOpen      others may change the file
        └── KeyGone            a customer's key is not there (erased)
    """


class MasterKeyMissing(VaultError):
    """The master key file is not there although the database was sealed with one."""


class MasterKeyWrong(VaultError):
    """The file is not a master key, or not the one this database was sealed with."""


class MasterKeyOpen(VaultError):
    """Others than its owner may change the master key file."""


class KeyGone(VaultError):
    """A customer's key is not there: it was destroyed by an erasure."""


class Master(Protocol):
    """What a keeper of the master key offers."""

    def derive(self, label: str) -> bytes:
        """A 32-byte secret for one purpose, named by `label`."""
        ...

    def wrap(self, key: bytes, name: str) -> bytes:
        """`key` sealed, bound to `name`."""
        ...

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """The key that `wrap` sealed for `name`. Raises MasterKeyWrong."""
        ...

    def fingerprint(self) -> bytes:
        """32 bytes that tell one master key from another and nothing else."""
        ...


class MasterKeyFile:
    """A master key read from a file."""

    def __init__(self, secret: bytes) -> None:
        """Hold `secret`, 32 bytes."""
        self._secret = secret
        self._wrapping = AESGCM(self.derive("rapport wrap 1"))

    @classmethod
    def open(cls, path: Path, *, create: bool) -> MasterKeyFile:
        """Read the key at `path`; with `create`, make a new one if there is none.

        Raises:
            MasterKeyMissing: no file, and `create` is false.
            MasterKeyWrong: the file does not hold 32 bytes in hexadecimal.
            MasterKeyOpen: others may change it.
        """
        if create and not path.exists():
            _write_new(path)
        refuse_open_file(path, MasterKeyOpen)
        try:
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise MasterKeyMissing(
                f"The master key file {path} is not there, but this database was sealed with one. "
                "Restore it from your backup; without it no personal value can be read."
            ) from None
        except (ValueError, UnicodeDecodeError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise MasterKeyWrong(
                f"{path} is not a master key: it must hold {2 * KEY_BYTES} hexadecimal digits."
            )
        return cls(secret)

    def derive(self, label: str) -> bytes:
        """HKDF-SHA-256 (RFC 5869) of the master key under `label`, 32 bytes."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=label.encode()).derive(
            self._secret
        )

    def wrap(self, key: bytes, name: str) -> bytes:
        """`nonce(12) || AES-256-GCM(key)`, associated data `name`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """The key that `wrap` sealed for `name`.

        Raises:
            MasterKeyWrong: this master key did not seal it, or for another name.
        """
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._wrapping.decrypt(nonce, sealed, name.encode())
        except InvalidTag:
            raise MasterKeyWrong(
                "A customer's key was not wrapped by this master key. Restore the master key file "
                "that belongs to this database."
            ) from None

    def fingerprint(self) -> bytes:
        """32 derived bytes that name this master key."""
        return self.derive("rapport fingerprint 1")


def _write_new(path: Path) -> None:
    """A new random key at `path`, readable by its owner alone, complete or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # atomic, and never replaces a key that another process just made
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
