"""Scores over a reading: the policy by name, the state of the feeds, health and the rest.

Rows are folded under the default policy; another policy's score is folded from the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections import shapes
from services.projections.errors import BadQuestion
from services.projections.read_models.customer_timeline import reader as timeline_reader
from services.projections.scoring import health as scoring
from services.projections.scoring import signals
from services.projections.scoring.errors import PolicyUnknown
from services.projections.scoring.health_state import NOBODY
from services.projections.scoring.policy import DEFAULT_POLICY
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.wallet import shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.projections.reading import Reading
    from services.projections.scoring.health import Health
    from services.projections.scoring.health_state import HealthState
    from services.projections.scoring.policy import Policy

    States = Mapping[str, Mapping[UUID, Any]]

CHURN = "churn_signals"
HEALTH = "relationship_health"
WALLET = "wallet_share"
SCORED = (HEALTH, WALLET, CHURN)


class Scorer:
    """Scores customers at a reading's instant, the feeds looked up once."""

    def __init__(self, reading: Reading, policy: Policy) -> None:
        """Score what `reading` shows under `policy`."""
        self.reading = reading
        self._policy = policy
        self._at = reading.window.as_of
        self._feeds = newest_of_feeds(reading, policy, self._at)

    @property
    def key(self) -> tuple[Any, ...]:
        """What the scores of everybody depend on: positions, instants and policy."""
        return (self.reading.progress, self.reading.window, self._policy.version)

    def states(self, more: Sequence[str], customers: Sequence[UUID]) -> States:
        """The folded states of `customers` that scores are read from, and of `more` models."""
        states = self.reading.states([*SCORED, *more], customers)
        if self._policy.version != DEFAULT_POLICY:
            states[HEALTH] = {who: self._refold(who) for who in customers}
        return states

    def scores(self, who: UUID, states: States) -> dict[str, Any]:
        """Health, the wallet share best known, and the kinds of signals open."""
        held = states[HEALTH].get(who, NOBODY)
        health = scoring.score(held, self._policy, self._at, self._feeds)
        wallet = states[WALLET].get(who)
        churn = states[CHURN].get(who)
        return {
            "health": shapes.health_item(health),
            "wallet_share": shapes.best_share(
                [] if wallet is None else shares(wallet, self._at, self._policy)
            ),
            "signals": []
            if churn is None
            else [each.kind for each in signals.signals(churn, self._at, self._policy)],
        }

    def health(self, who: UUID) -> Health:
        """One customer's health."""
        if self._policy.version == DEFAULT_POLICY:
            state = self.reading.state(HEALTH, who)
        else:
            state = self._refold(who)
        return scoring.score(state, self._policy, self._at, self._feeds)

    def _refold(self, who: UUID) -> HealthState:
        facts = scoring.in_order(self.reading.history(who), self._at)
        return scoring.fold(facts, self._policy)


def policy_named(version: str | None) -> Policy:
    """The policy of that version; None means the default.

    Raises:
        BadQuestion: there is none.
    """
    try:
        return load_policy(version or DEFAULT_POLICY)
    except PolicyUnknown:
        raise BadQuestion(
            "policy", "There is no such policy.", "Leave it out for the default one."
        ) from None


def newest_of_feeds(reading: Reading, policy: Policy, as_of: datetime) -> dict[str, datetime]:
    """When, by `as_of` and as far as the reading knew, each type of the feeds last happened."""
    types = {kind for feed in policy.feeds.values() for kind in feed.types}
    known_at = reading.window.known_at
    return timeline_reader.newest(reading.connection, types, as_of, known_at)
