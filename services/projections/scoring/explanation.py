"""Which event, rule or cap gave which points? Follows a fold and keeps a line for each. Pure.

Lines are floats while read; `lines` rounds each group's lines so that they add up to the group's
points exactly, and writes what a cap took or gave as a line of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from services.projections.scoring import complaints
from services.projections.scoring.apportion import apportion, as_points, thousandths
from services.projections.scoring.decay import worth
from services.projections.scoring.health_points import (
    group_points,
    state_points,
    state_sentence,
)
from services.projections.scoring.health_state import NOBODY, HealthState, rule_points, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from decimal import Decimal

    from events.facts import Fact
    from services.projections.scoring.health_points import Moment
    from services.projections.scoring.policy import Policy

Kind = Literal["event", "base", "state", "cap"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """One line of an explanation. `points` has three places; `group` is None for base and total."""

    kind: Kind
    event_id: str | None
    type: str | None
    rule: str
    group: str | None
    points: Decimal
    occurred_at: datetime | None
    sentence: str
    source: str | None = None
    simulated: bool = False


class _Line(NamedTuple):
    """A line before rounding."""

    rule: str
    group: str
    points: float
    fact: Fact | None
    sentence: str


class Explained:
    """A fold under way that remembers which fact gave what. Feed it facts in order."""

    def __init__(self, policy: Policy, now: Moment, sentence: Callable[[Fact], str]) -> None:
        """Begin with nobody, scored at `now`."""
        self.policy = policy
        self.now = now
        self.state: HealthState = NOBODY
        self._sentence = sentence
        self._lines: list[_Line] = []
        self._complained: dict[tuple[str, str], Fact] = {}

    def read(self, fact: Fact) -> None:
        """Take one more fact."""
        for rule, points in rule_points(self.state, fact, self.policy):
            until = self.now.as_of if points > 0 else self.now.fade_until(self.policy, fact.type)
            faded = worth(points, until - fact.occurred_at.timestamp(), rule.half_life)
            self._lines.append(_Line(rule.name, rule.group, faded, fact, self._sentence(fact)))
        before = self.state.complaints
        self.state = step(self.state, fact, self.policy)
        if self.state.complaints is not before:
            self._complaint(fact, before)

    def _complaint(self, fact: Fact, before: complaints.Complaints) -> None:
        """Remember who opened, answered or closed which complaint; settle one given up."""
        key = str(fact.data.get("complaint_id"))
        kept = self.state.complaints.kept
        if fact.type in (complaints.OPENED, complaints.REOPENED):
            self._complained.pop((key, complaints.RESPONDED), None)
            self._complained.pop((key, complaints.RESOLVED), None)
            self._complained[key, complaints.OPENED] = fact
        else:
            self._complained[key, fact.type] = fact
        for gone in before.kept.keys() - kept.keys():
            opener = self._complained[gone, complaints.OPENED]
            weight, at = complaints.settled(before.kept[gone], fact.occurred_at.timestamp())
            faded = worth(weight, self._fade_until() - at, self.policy.complaint.half_life)
            self._lines.append(self._about("complaint", faded, opener))

    def _fade_until(self) -> float:
        return self.now.fade_until(self.policy, complaints.OPENED)

    def _about(self, rule: str, points: float, fact: Fact) -> _Line:
        return _Line(rule, self.policy.complaint.group, points, fact, self._sentence(fact))

    def raw(self) -> list[_Line]:
        """All lines before rounding, complaints and state rules last."""
        found = list(self._lines)
        for key, complaint in self.state.complaints.kept.items():
            found += self._complaint_lines(key, complaint)
        for part in state_points(self.state, self.policy, self.now):
            words = state_sentence(part, self.state, self.policy)
            found.append(_Line(part.rule, part.group, part.points, None, words))
        return found

    def _complaint_lines(self, key: str, complaint: complaints.Complaint) -> Iterator[_Line]:
        rule = self.policy.complaint
        parts = complaints.parts(complaint, rule, self.now.as_of, self._fade_until())
        yield self._about("complaint", parts.opened, self._complained[key, complaints.OPENED])
        if parts.ageing:
            words = "A complaint is still open, and weighs more with time."
            yield _Line("complaint_ageing", rule.group, parts.ageing, None, words)
        if parts.responded:
            fact = self._complained[key, complaints.RESPONDED]
            yield self._about("complaint_responded", parts.responded, fact)
        if parts.resolved:
            fact = self._complained[key, complaints.RESOLVED]
            yield self._about("complaint_resolved", parts.resolved, fact)


def lines(explained: Explained, groups: Mapping[str, int], value: int) -> list[Contribution]:
    """The explanation: base, then each group's lines and its cap, then the cap of the whole.

    `groups` and `value` are the shown thousandths, after caps. The points of all lines sum to
    `value`, those of a group to the group's.
    """
    policy = explained.policy
    raw = group_points(explained.state, policy, explained.now)
    base = thousandths(policy.base)
    found = [_plain("base", "base", None, base, f"Every relationship starts at {policy.base:g}.")]
    unrounded = explained.raw()
    for name in policy.groups:
        mine = [line for line in unrounded if line.group == name]
        total = thousandths(raw[name])
        counts = apportion([line.points for line in mine], total)
        found += [_told(line, count) for line, count in zip(mine, counts, strict=True)]
        found += _cap(name, groups[name] - total, groups[name])
    found += _cap(None, value - base - sum(groups.values()), value)
    return found


def _told(line: _Line, count: int) -> Contribution:
    fact = line.fact
    if fact is None:
        return _plain("state", line.rule, line.group, count, line.sentence)
    return Contribution(
        "event",
        fact.event_id,
        fact.type,
        line.rule,
        line.group,
        as_points(count),
        fact.occurred_at,
        line.sentence,
        fact.source,
        fact.simulated,
    )


def _plain(kind: Kind, rule: str, group: str | None, count: int, words: str) -> Contribution:
    return Contribution(kind, None, None, rule, group, as_points(count), None, words)


def _cap(group: str | None, taken: int, held_at: int) -> Iterator[Contribution]:
    if taken:
        what = "The whole score" if group is None else f"The group {group}"
        words = f"{what} is held at {as_points(held_at).normalize():f}."
        yield _plain("cap", "cap", group, taken, words)
