"""Personal values in and out of a body: AES-256-GCM, one key per customer, bound to the row.

Pure but for the random nonces. The associated data ties each value to its stream, event and place,
so a sealed value copied anywhere else does not open (design: ledger format 1).
"""

from __future__ import annotations

import os
from base64 import b64decode
from binascii import b2a_base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.identifiers import normalise, parse_identifier
from infra.plumbing.vault.master import KEY_BYTES, NONCE_BYTES, KeyGone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from events.personal import PersonalField

ORIGINAL_SUBJECT = "originalsubject"
"""Top-level member of a stored body: the subject as the emitter wrote it, sealed."""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer in the vault: their stream and the key their values are sealed under.

    `withheld`: nothing is to be recorded about them; events are set aside under this number.
    `passing`: nobody knows them, and the event that names them does not count: they are not stored.
    """

    stream: UUID
    key_id: str
    key: bytes
    withheld: UUID | None = None
    passing: bool = False
    subject: str = field(init=False, repr=False, compare=False)
    """How a stored body names them; written once, for each of their events says it."""

    def __post_init__(self) -> None:
        """Write the name."""
        object.__setattr__(self, "subject", f"customer:{self.stream}")

    @classmethod
    def new(cls, withheld: UUID | None = None, *, passing: bool = False) -> Person:
        """Somebody nobody knows yet; nothing is stored."""
        stream = uuid4()
        return cls(stream, f"{stream}/1", os.urandom(KEY_BYTES), withheld, passing)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands: the associated data without its JSON pointer."""

    prefix: bytes

    @classmethod
    def of(cls, stream: UUID, source: str, event_id: str) -> Place:
        """The place of an event's values."""
        return cls(_prefix(stream, source, event_id))

    def bind(self, pointer: str) -> bytes:
        """The associated data of the value at `pointer`."""
        return self.prefix + pointer.encode()


def _prefix(stream: UUID, source: str, event_id: str) -> bytes:
    return b"rapport:1\x00%b\x00%b\x00%b\x00" % (
        stream.bytes,
        source.encode(),
        event_id.encode(),
    )


def seal_event(
    event: Mapping[str, Any],
    subject: Person,
    others: Mapping[str, Person],
    personal: Sequence[PersonalField],
) -> bytes:
    """The body to store for an event as received (a valid CloudEvents envelope, `data` an object).

    `subject` is the customer whom the event is about; `others` maps the normalised `kind:value` of
    every other person named in it to that person. `personal` are the marks of the event's schema.
    Returns one JSON object with sorted keys: `subject` is `customer:<uuid>`, every personal value
    is `{"key", "sealed"}`.
    """
    prefix = _prefix(subject.stream, event["source"], event["id"])
    sealer = _Sealer(prefix, subject, others)
    data: dict[str, Any] = event["data"]
    if "identifiers" in data:
        names = [
            sealer.own(value, f"/data/identifiers/{index}")
            for index, value in enumerate(data["identifiers"])
        ]
        data = {**data, "identifiers": names}
    if "parties" in data:
        parties = [
            sealer.walk(party, ("identifier",), f"/data/parties/{index}", "identifier")
            for index, party in enumerate(data["parties"])
        ]
        data = {**data, "parties": parties}
    for mark in personal:
        if mark.path[0] in data and mark.path[0] not in {"identifiers", "parties"}:
            data = sealer.walk(data, mark.path, "/data", mark.about)
    body = {**event, "data": data, "subject": subject.subject}
    if event["subject"] != subject.subject:
        body[ORIGINAL_SUBJECT] = sealer.own(event["subject"], f"/{ORIGINAL_SUBJECT}")
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


class _Sealer:
    """Seals values of one event."""

    __slots__ = ("_cipher", "_others", "_prefix", "_subject")

    def __init__(self, prefix: bytes, subject: Person, others: Mapping[str, Person]) -> None:
        self._prefix = prefix
        self._subject = subject
        self._others = others
        self._cipher = AESGCM(subject.key)  # once an event: kept for longer it takes 2.5 kB

    def own(self, value: Any, pointer: str) -> dict[str, str]:
        """A value about the customer, under the customer's key."""
        return self._under(self._cipher, self._subject.key_id, value, pointer)

    def _under(self, cipher: AESGCM, key_id: str, value: Any, pointer: str) -> dict[str, str]:
        nonce = os.urandom(NONCE_BYTES)
        sealed = cipher.encrypt(
            nonce, orjson.dumps(value, option=orjson.OPT_SORT_KEYS), self._prefix + pointer.encode()
        )
        return {"key": key_id, "sealed": b2a_base64(nonce + sealed, newline=False).decode()}

    def other(self, value: str, pointer: str) -> dict[str, str]:
        """An identifier of another person, under that person's key."""
        person = self._others[str(normalise(parse_identifier(value)))]
        return self._under(AESGCM(person.key), person.key_id, value, pointer)

    def walk(self, node: Any, path: Sequence[str], pointer: str, about: str) -> Any:
        """`node` with the values at `path` sealed; the original is left as it was."""
        if not path:
            if about == "identifier":
                return self.other(node, pointer)
            return self.own(node, pointer)
        step, rest = path[0], path[1:]
        if step == "*" and isinstance(node, list):
            return [
                self.walk(item, rest, f"{pointer}/{index}", about)
                for index, item in enumerate(cast("list[Any]", node))
            ]
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            if step in members:
                child = self.walk(members[step], rest, f"{pointer}/{escape(step)}", about)
                return {**members, step: child}
            return members
        return node


def escape(name: str) -> str:
    """A member name inside a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def open_value(sealed: Mapping[str, str], key: bytes, place: Place, pointer: str) -> Any:
    """The value that was sealed at `pointer` of the event at `place`.

    Raises:
        KeyGone: `key` is not the one, or the value was moved or changed.
    """
    raw = b64decode(sealed["sealed"], validate=True)
    try:
        plain = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.bind(pointer))
    except InvalidTag:
        raise KeyGone(f"The value at {pointer} does not open with key {sealed['key']}.") from None
    return orjson.loads(plain)
