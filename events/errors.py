"""What can be wrong with the words of an event, told to whoever sent it.

    LanguageError
    ├── BadAttribute     an attribute of the envelope that breaks CloudEvents or our limits
    ├── BadTime          a time that is not RFC 3339 with an offset
    ├── BadMoney         an amount that is not a decimal string with a currency
    ├── BadPeriod        no span of days
    ├── BadIdentifier    a name for a customer that is not `kind:value`
    ├── UnknownType      no schema folder of that name
    ├── UnknownVersion   the type is known, that version of it is not
    └── BadSchema        a schema folder that cannot be used; raised at load, never by an event

No message repeats the offending value: it may be personal.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field: where (JSON pointer), what, and what to do about it."""

    pointer: str
    message: str
    cure: str


class LanguageError(Exception):
    """The root: `message` says what is wrong, `cure` what to do; neither repeats the value."""

    pointer = ""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure

    def at(self, pointer: str | None = None) -> FieldError:
        """Say the same about the field at `pointer` (default: where this error usually sits)."""
        return FieldError(self.pointer if pointer is None else pointer, self.message, self.cure)


class BadAttribute(LanguageError):
    """An attribute of the envelope is no CloudEvents text, or beyond what is stored."""


class BadTime(LanguageError):
    """The text is no instant: RFC 3339 with an offset is the only form."""


class BadMoney(LanguageError):
    """The value is no money: a decimal string and a three-letter currency are."""


class BadPeriod(LanguageError):
    """The text is no span of days; see `events.periods` for those that are."""


class BadIdentifier(LanguageError):
    """The text does not name a customer: `kind:value` does."""


class UnknownType(LanguageError):
    """No schema folder has this name."""

    pointer = "/type"


class UnknownVersion(LanguageError):
    """The type has no such version."""

    pointer = "/dataschema"


class BadSchema(LanguageError):
    """A schema folder cannot be used; the program does not start with it."""
