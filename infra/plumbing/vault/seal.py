"""Personal values in and out of a body: AES-256-GCM, one key per customer, bound to the row.

Pure but for the random nonces. The associated data ties each value to its stream, event and place,
so a sealed value copied anywhere else does not open (design: ledger format 1).
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
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
    """

    stream: UUID
    key_id: str
    key: bytes
    withheld: UUID | None = None

    @classmethod
    def new(cls, withheld: UUID | None = None) -> Person:
        """Somebody nobody knows yet; nothing is stored."""
        stream = uuid4()
        return cls(stream, f"{stream}/1", os.urandom(KEY_BYTES), withheld)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands: the associated data without its JSON pointer."""

    prefix: bytes

    @classmethod
    def of(cls, stream: UUID, source: str, event_id: str) -> Place:
        """The place of an event's values."""
        return cls(
            b"\x00".join((b"rapport:1", stream.bytes, source.encode(), event_id.encode(), b""))
        )

    def bind(self, pointer: str) -> bytes:
        """The associated data of the value at `pointer`."""
        return self.prefix + pointer.encode()


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
    place = Place.of(subject.stream, event["source"], event["id"])
    sealer = _Sealer(place, subject, others)
    data = dict(event["data"])
    if "identifiers" in data:
        data["identifiers"] = [
            sealer.under(subject, value, f"/data/identifiers/{index}")
            for index, value in enumerate(data["identifiers"])
        ]
    if "parties" in data:
        data["parties"] = [
            sealer.walk(party, ("identifier",), f"/data/parties/{index}", "identifier")
            for index, party in enumerate(data["parties"])
        ]
    for field in personal:
        if field.path[0] in data and field.path[0] not in {"identifiers", "parties"}:
            data = sealer.walk(data, field.path, "/data", field.about)
    body = {**event, "data": data, "subject": f"customer:{subject.stream}"}
    if event["subject"] != body["subject"]:
        body[ORIGINAL_SUBJECT] = sealer.under(subject, event["subject"], f"/{ORIGINAL_SUBJECT}")
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


class _Sealer:
    """Seals values of one event."""

    def __init__(self, place: Place, subject: Person, others: Mapping[str, Person]) -> None:
        self._place = place
        self._subject = subject
        self._others = others

    def under(self, person: Person, value: Any, pointer: str) -> dict[str, str]:
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(person.key).encrypt(
            nonce, orjson.dumps(value, option=orjson.OPT_SORT_KEYS), self._place.bind(pointer)
        )
        return {"key": person.key_id, "sealed": b64encode(nonce + sealed).decode()}

    def other(self, value: str, pointer: str) -> dict[str, str]:
        """An identifier of another person, under that person's key."""
        person = self._others[str(normalise(parse_identifier(value)))]
        return self.under(person, value, pointer)

    def walk(self, node: Any, path: Sequence[str], pointer: str, about: str) -> Any:
        """`node` with the values at `path` sealed; the original is left as it was."""
        if not path:
            if about == "identifier":
                return self.other(node, pointer)
            return self.under(self._subject, node, pointer)
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
