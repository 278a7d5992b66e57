"""What the notifier can fail at, in words for whoever set it up or runs it.

HouseError
└── NotifierError
    ├── ChannelMisconfigured   a channel's setting is missing or wrong
    ├── NameTaken              two rules, or two channels, bear one name
    └── FactsSkipped           the feed left out positions: no alert may be lost unseen
"""

from __future__ import annotations

from infra.plumbing.errors import HouseError


class NotifierError(HouseError):
    """The notifier cannot go on; the text says why and what helps."""


class ChannelMisconfigured(NotifierError):
    """A channel's setting is missing or wrong; the text names it and the cure."""


class NameTaken(NotifierError):
    """Two rules, or two channels, bear the same name."""


class FactsSkipped(NotifierError):
    """The feed left out positions between the checkpoint and its next fact."""
