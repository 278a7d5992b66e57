"""What scoring can refuse, in words for whoever wrote the document. A fold refuses nothing.

ScoringError
└── PolicyError            the policy document cannot be meant
    ├── PolicyUnknown      there is no document of that id
    └── PolicyRefused      one field is wrong: where, what, and the cure
"""

from __future__ import annotations


class ScoringError(Exception):
    """The root of the tree."""


class PolicyError(ScoringError):
    """A scoring policy cannot be used."""


class PolicyUnknown(PolicyError):
    """No document has the id that was asked for."""

    def __init__(self, version: str, known: tuple[str, ...]) -> None:
        """Name what was asked for and what there is."""
        super().__init__(
            f"There is no scoring policy {version!r}. Ask for one of: {', '.join(known) or 'none'}."
        )
        self.version = version


class PolicyRefused(PolicyError):
    """One field of the document is wrong. `path` has dots, as in `groups.rhythm.most`."""

    def __init__(self, path: str, message: str, cure: str) -> None:
        """Say where, what is wrong, and what to write instead."""
        super().__init__(f"Policy field {path or 'document'} {message}. {cure}")
        self.path = path
        self.message = message
        self.cure = cure
