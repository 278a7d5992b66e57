"""The scoring policy: every figure that makes a score, frozen, from one immutable YAML document.

A policy's `version` is its name for ever (`default/1` is `policies/default-1.yaml`); another figure
is another version. Units are in the names; durations are kept in seconds where folds use them.
Loading is the only I/O of scoring. What a document must be like is in policy_reader.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_POLICY = "default/1"


@dataclass(frozen=True, slots=True)
class Group:
    """A group's share of coverage and the bounds its points are held between."""

    name: str
    weight: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Feed:
    """Event types that dry up together when a machine dies."""

    name: str
    types: frozenset[str]
    stale_after: float


Condition = tuple[str, tuple["str | bool | float | None", ...]]
"""A field of the event's data and the values it may have; None allows a missing one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Points for every event of a type: fixed, or by the steps of a measure; they fade."""

    name: str
    type: str
    group: str
    half_life: float
    where: tuple[Condition, ...]
    points: float
    measure: str | None
    steps: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Points at once when so many events fall into the last `window` seconds."""

    name: str
    types: frozenset[str]
    group: str
    where: tuple[Condition, ...]
    window: float
    at_least: int
    points: float
    each_beyond: float
    beyond_limit: int

    @property
    def kept(self) -> int:
        """How many of the newest events decide; older ones need no memory."""
        return self.at_least + self.beyond_limit


@dataclass(frozen=True, slots=True)
class OwnPace:
    """Points for silence measured in the customer's own expected gaps."""

    group: str
    most: float
    least: float
    turning_gaps: float
    steepness: float
    evidence_days: float


@dataclass(frozen=True, slots=True)
class ComplaintRule:
    """What a complaint costs while open, and what closing leaves of it."""

    group: str
    points: Mapping[str, float]
    severity_unsaid: str
    half_life: float
    ageing: float
    ageing_extra: float
    responded_relief: float
    left_over: Mapping[str, float]
    outcome_unsaid: float
    dissatisfied: float
    soon_extra: float
    soon_half_life: float
    soft_least: float
    soft_half_days: float
    reopened_factor: float


@dataclass(frozen=True, slots=True)
class OverdueRule:
    """What a promise costs that is past its date, neither kept nor broken."""

    group: str
    points: float
    worst: float
    worst_after: float


@dataclass(frozen=True, slots=True)
class Pace:
    """When silence is long. `model` is the place of a fitted model's crossing; none exists yet."""

    prior_gap_days: float
    prior_weight: float
    model: None
    least_purchase_days: int
    factor: float
    floor_days: float
    ceiling_days: float


@dataclass(frozen=True, slots=True)
class SignalRules:
    """Raise and clear levels of the churn signals. Durations in seconds."""

    late_grace: float
    minimum_dwell: float
    stake_horizon_days: float
    silence_clear_factor: float
    complaint_due: Mapping[str, float]
    complaint_severity_unsaid: str
    promise_grace: float
    promise_expires: float
    playbooks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WalletRules:
    """How sure a wallet share is."""

    level: float
    window_days: int
    statement_spread: float
    statement_spread_a_year: float
    statement_expires: float
    prior_strength: float
    prior_share: float


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a score depends on besides the facts."""

    version: str
    title: str
    base: float
    minimum_coverage: float
    groups: Mapping[str, Group]
    feeds: Mapping[str, Feed]
    rules: tuple[Rule, ...]
    thresholds: tuple[Threshold, ...]
    own_pace: OwnPace
    complaint: ComplaintRule
    overdue: OverdueRule
    pace: Pace
    signals: SignalRules
    wallet: WalletRules
    rules_on: Mapping[str, tuple[Rule, ...]]
    thresholds_on: Mapping[str, tuple[Threshold, ...]]
    feed_of: Mapping[str, Feed]
