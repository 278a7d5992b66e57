"""How the outside names a customer: `kind:value`.

Two spellings of one name must become the same text, because a customer is found by the keyed
hash of that text. Where a spelling is ambiguous (a phone number without its country) it is
refused: a wrong guess would give one person another person's history.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from events.errors import BadIdentifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LENGTH: Final = 320
MIN_PHONE_DIGITS: Final = 7
MAX_PHONE_DIGITS: Final = 15
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*")
_PHONE_FILLING: Final = re.compile(r"[\s().\-/\u2010-\u2015]+")
_TRUNK_ZERO: Final = re.compile(r"(?<=\d)\s*\(0\)")
_PHONE: Final = re.compile(rf"\+[1-9][0-9]{{{MIN_PHONE_DIGITS - 1},{MAX_PHONE_DIGITS - 1}}}")


class Identifier(NamedTuple):
    """One outside name of a customer; its text is `kind:value`.

    `value` is personal unless the kind is `customer`.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def __repr__(self) -> str:
        """Hide the value: a repr ends up in logs and tracebacks."""
        return f"Identifier({self.kind}:...)"


def parse_identifier(text: object) -> Identifier:
    """Read `kind:value` and return it in its one spelling (see `normalise`).

    Raises BadIdentifier, whose words never repeat the value.
    """
    if not isinstance(text, str):
        raise BadIdentifier("The identifier is not text.", _CURE)
    kind, colon, value = text.partition(":")
    if not colon:
        raise BadIdentifier("The identifier has no kind that is known here.", _CURE)
    return Identifier(kind, _normal(kind, value))


def normalise(identifier: Identifier) -> Identifier:
    """Bring an identifier to its one spelling; doing it twice changes nothing.

    email: trimmed, lower case. phone: `+` and 7 to 15 digits. customer: a UUID in lower case.
    Others: trimmed. Raises BadIdentifier if there is no such kind or no such value.
    """
    kind, value = identifier
    return Identifier(kind, _normal(kind, value))


def _normal(kind: str, text: str) -> str:
    rule = _RULES.get(kind)
    if rule is None:
        raise BadIdentifier("The identifier has no kind that is known here.", _CURE)
    value = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
    strange = not value.isprintable() and _CONTROL.search(value)  # the first look is the quick one
    if not value or len(value) > MAX_LENGTH or strange:
        cure = f"Send 1 to {MAX_LENGTH} characters after the colon, without control characters."
        raise BadIdentifier("The identifier's value is empty, too long or not plain text.", cure)
    return rule(value)


def _email(value: str) -> str:
    if _EMAIL.fullmatch(value) is None:
        cure = "Send one address without a display name, as in email:name@example.org."
        raise BadIdentifier("The identifier is not an e-mail address.", cure)
    return unicodedata.normalize("NFC", value.lower())


def _phone(value: str) -> str:
    digits = _PHONE_FILLING.sub("", _TRUNK_ZERO.sub("", value))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if _PHONE.fullmatch(digits) is None:
        cure = "Write it with its country code, as in phone:+442079460000."
        raise BadIdentifier("The identifier is not an international phone number.", cure)
    return digits


def _customer(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError as wrong:
        cure = "Send customer: and the UUID this platform answered with."
        raise BadIdentifier("The identifier is not a customer's UUID.", cure) from wrong


def _as_it_is(value: str) -> str:
    return value


_RULES: Final[Mapping[str, Callable[[str], str]]] = {
    "email": _email,
    "phone": _phone,
    "loyalty": _as_it_is,
    "crm": _as_it_is,
    "cookie": _as_it_is,
    "customer": _customer,
}
KINDS: Final = tuple(_RULES)
_CURE: Final = f"Send kind:value, where kind is one of {', '.join(KINDS)}."
