"""Why the score is what it is: the lines of an explanation, grouped for reading. Pure.

No line is dropped and none is rounded away: lines too small to matter are folded together under
their own sum, limits (caps) are lines like any other, and the whole is added up again here so
that the page can say whether it equals the score it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.projections.web.words import decimal_or_none, instant_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

SHOWN_PER_GROUP = 6
"""Event lines shown openly in a group; the smaller ones are folded under their sum."""
BASE, OVERALL = "base", "overall"


@dataclass(frozen=True, slots=True)
class Line:
    """One contribution, in points of health."""

    kind: str
    event_id: str
    rule: str
    group: str
    points: Decimal
    occurred_at: datetime | None
    sentence: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A group's lines: the openly shown, the folded ones, and the limits that cut it."""

    name: str
    total: Decimal
    shown: Sequence[Line]
    folded: Sequence[Line]
    limits: Sequence[Line]

    @property
    def folded_sum(self) -> Decimal:
        """What the folded lines come to together."""
        return sum((line.points for line in self.folded), Decimal(0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """All groups, the sum of all lines, the score, and the widest bar of a line (points)."""

    groups: Sequence[Group]
    total: Decimal
    value: Decimal | None
    lines: int
    scale: Decimal
    any_simulated: bool

    @property
    def parts(self) -> Sequence[Group]:
        """The groups by which the score departs from where everyone starts."""
        return [group for group in self.groups if group.name != BASE]

    @property
    def parts_scale(self) -> Decimal:
        """The widest bar of a group, in points."""
        return max((abs(group.total) for group in self.parts), default=Decimal(0)) or Decimal(1)

    @property
    def adds_up(self) -> bool:
        """Do the lines sum to the very score?"""
        return self.value is not None and self.total == self.value


def read_explanation(answer: Mapping[str, Any]) -> Explanation:
    """Group an explain answer (ports.Answers.health_explain), in the order its groups appear."""
    lines = [_line(item) for item in answer.get("contributions", ())]
    names = list(dict.fromkeys(line.group for line in lines))
    names.sort(key=lambda name: (name != BASE, name == OVERALL))
    groups = [_group(name, [line for line in lines if line.group == name]) for name in names]
    sizes = [abs(line.points) for line in lines if line.group != BASE]
    return Explanation(
        groups=groups,
        total=sum((line.points for line in lines), Decimal(0)),
        value=decimal_or_none(answer.get("value")),
        lines=len(lines),
        scale=max(sizes, default=Decimal(0)) or Decimal(1),
        any_simulated=any(line.simulated for line in lines),
    )


def _line(item: Mapping[str, Any]) -> Line:
    kind = str(item["kind"])
    group = item.get("group") or (BASE if kind == "base" else OVERALL)
    return Line(
        kind=kind,
        event_id=str(item.get("event_id") or ""),
        rule=str(item.get("rule") or kind),
        group=str(group),
        points=decimal_or_none(item["points"]) or Decimal(0),
        occurred_at=instant_or_none(item.get("occurred_at")),
        sentence=str(item.get("sentence") or ""),
        simulated=bool(item.get("simulated")),
    )


def _group(name: str, lines: Sequence[Line]) -> Group:
    events = sorted(
        (line for line in lines if line.kind == "event"),
        key=lambda line: (-abs(line.points), line.rule, line.event_id),
    )
    room = SHOWN_PER_GROUP if len(events) > SHOWN_PER_GROUP + 1 else len(events)
    states = [line for line in lines if line.kind not in {"event", "cap"}]
    return Group(
        name=name,
        total=sum((line.points for line in lines), Decimal(0)),
        shown=[*states, *events[:room]],
        folded=events[room:],
        limits=[line for line in lines if line.kind == "cap"],
    )
