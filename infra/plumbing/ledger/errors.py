"""What a reader or writer of the ledger can meet.

LedgerError
├── LedgerGap      a position is missing
│   └── LedgerChanged    what is there does not lead to the root in the head
├── LedgerBusy     not reachable or not lockable in time; nothing was written
│   ├── LedgerWentBack   it ends before what this program wrote
│   └── OutcomeUnknown   written perhaps: the database was asked to commit and never answered
└── WrongVersion   a stream is not at the version a decision was made on
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class LedgerError(Exception):
    """Something about the ledger."""


class LedgerGap(LedgerError):
    """A position is missing: events were removed, or this is not the whole ledger.

    A reader stops here. Passing over the hole would hide it for ever.
    """

    def __init__(self, after: int, found: int) -> None:
        """Say after which position the log goes on where."""
        super().__init__(f"After position {after} the ledger goes on at {found}.")


class LedgerChanged(LedgerGap):
    """The leaves do not lead to the root that the head row holds: leaves or head were changed."""

    def __init__(self, size: int) -> None:
        """Say among how many."""
        Exception.__init__(self, f"The first {size} leaves do not lead to the root of the head.")


class LedgerBusy(LedgerError):
    """The ledger could not be reached or locked in time; this call wrote nothing."""


class OutcomeUnknown(LedgerBusy):
    """The database was asked to commit and never answered: this call may have written, or not.

    Sending the same events again tells: those that were stored are answered as duplicates.
    """


class LedgerWentBack(LedgerBusy):
    """The ledger ends before what this program wrote; nothing is appended to such a one.

    The next start compares the ledger with the published checkpoints.
    """

    def __init__(self, size: int, written: int) -> None:
        """Say where the ledger ends and what was written."""
        super().__init__(
            f"The ledger ends at position {size}, and this program wrote up to {written}: the "
            "database was set back. Stop the program and start it again; it says what to do."
        )


class WrongVersion(LedgerError):
    """The stream's last version is not the expected one; nothing was written."""

    def __init__(self, stream: UUID, expected: int, last: int | None) -> None:
        """Say which stream, what was expected and what is there."""
        super().__init__(
            f"Stream {stream} was expected at version {expected} and is at "
            f"{'no version' if last is None else last}. Read it again and decide again."
        )
