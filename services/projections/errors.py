"""What the projections can fail at, in words for the reader. Nothing personal is ever in a message.

ProjectionError
├── BrokenReadModel    a folder of read_models lacks something, or its table does not fit its fold
├── FeedBroken         the feed handed over a hole or went back
├── CheckpointMoved    somebody else folded meanwhile: begin again from the stored checkpoint
├── FoldFailed         a fold raised on a fact; it is never skipped silently
└── QuestionError      what a reader asked cannot be answered (HTTP status: routes.py, one table)
├── BadQuestion    a parameter that cannot be meant
├── Unknown        no such customer
└── NotYetVisible  the asked position is not folded yet
"""

from __future__ import annotations


class ProjectionError(Exception):
    """The root of the tree."""


class BrokenReadModel(ProjectionError):
    """A read model's folder is incomplete or contradicts itself."""


class FeedBroken(ProjectionError):
    """The feed skipped a position or went back. Nothing was folded."""


class CheckpointMoved(ProjectionError):
    """A checkpoint is not where this worker left it. Nothing was written."""


class FoldFailed(ProjectionError):
    """A read model raised on a fact. Nothing of the batch was written.

    `position` is the fact's; `trigger` is the position in the batch that cannot be passed: the
    same, unless a late arrival made the worker read an older fact again.
    """

    def __init__(self, *, model: str, position: int, fact_type: str, trigger: int) -> None:
        """Say which model stopped on which fact."""
        super().__init__(
            f"Read model {model} cannot fold the fact at position {position} ({fact_type}). The "
            f"projections wait before position {trigger} and try again; fix the fold or the fact's "
            "schema."
        )
        self.model = model
        self.position = position
        self.fact_type = fact_type
        self.trigger = trigger


class QuestionError(ProjectionError):
    """A reader's question cannot be answered."""


class BadQuestion(QuestionError, ValueError):
    """One parameter cannot be meant; `cure` says what would be."""

    def __init__(self, parameter: str, message: str, cure: str) -> None:
        """Name the parameter, what is wrong with it, and what to send instead."""
        super().__init__(f"{parameter}: {message} {cure}")
        self.parameter = parameter
        self.message = message
        self.cure = cure


class Unknown(QuestionError):
    """Nobody is known by that reference (or not yet folded)."""


class NotYetVisible(QuestionError):
    """The asked position has not been folded within the time a reader waits."""

    def __init__(self, wanted: int, reached: int) -> None:
        """Say which position was asked for and how far the read models are."""
        super().__init__(
            f"Position {wanted} is not folded into the read models yet; they are at {reached}. "
            "Ask again in a moment."
        )
        self.wanted = wanted
        self.reached = reached
