"""What a page can refuse, in words for the reader: what is wrong and what to do.

    PageError
    ├── LoginSpent       401  the one-time login address was used, is too old or is not ours
    ├── NobodyFound      404  no customer behind the reference
    └── NotUnderstood    422  a date, a reference or a cursor that cannot be meant

Nothing the reader sent is repeated: it may be personal.
"""

from __future__ import annotations


class PageError(Exception):
    """Ends a page with `status`, a title, one sentence of what is wrong and one of the cure."""

    status = 400
    title = "That did not work"
    command = ""

    def __init__(self, words: str, cure: str) -> None:
        super().__init__(words)
        self.words = words
        self.cure = cure


class LoginSpent(PageError):
    """The one-time login address does not work (any more)."""

    status = 401
    title = "This login address no longer works"
    command = "rapport login"

    def __init__(self) -> None:
        super().__init__(
            "A login address works once and for an hour. This one was used before, is too old, or "
            "was not copied whole.",
            "Whoever runs the platform makes a new one with:",
        )


class NobodyFound(PageError):
    """No customer behind the reference."""

    status = 404
    title = "No such customer"

    def __init__(self) -> None:
        super().__init__(
            "Nobody is known by that reference, or their first event is not counted yet.",
            "Check the spelling: crm: and loyalty: must be exact, email: and phone: may be "
            "written in any usual way. Just recorded? Try again in a moment.",
        )


class NotUnderstood(PageError):
    """A date, a reference or a cursor that cannot be meant."""

    status = 422
    title = "That could not be understood"
