"""What a rule may measure on a fact, by name. A measure that cannot be taken is None: no points.

Each takes the event's data; `promise_days_late` also needs the date the promise was due, which
only the folded state knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.scoring.times import DAY, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from services.projections.scoring.policy import Condition


def number(value: object) -> float | None:
    """`value` as a number, or None: booleans and texts are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def days_late(data: Mapping[str, Any], _at: float, _due: float | None) -> float | None:
    """Days from the promised to the actual delivery; below zero is early."""
    promised = read_instant(data.get("promised_at"))
    delivered = read_instant(data.get("delivered_at"))
    return None if promised is None or delivered is None else (delivered - promised) / DAY


def rating_share(data: Mapping[str, Any], _at: float, _due: float | None) -> float | None:
    """A review's stars as a share of the most there are."""
    return _share(number(data.get("rating")), number(data.get("rating_max")))


def score_share(data: Mapping[str, Any], _at: float, _due: float | None) -> float | None:
    """A survey's answer as a share of its scale."""
    return _share(number(data.get("score")), number(data.get("scale_max")))


def promise_days_late(data: Mapping[str, Any], at: float, due: float | None) -> float | None:
    """Days from the promise's due date to when it was kept; on time if the date is not known."""
    kept_at = read_instant(data.get("kept_at"))
    return 0.0 if due is None else ((at if kept_at is None else kept_at) - due) / DAY


def _share(part: float | None, whole: float | None) -> float | None:
    if part is None or whole is None or whole <= 0:
        return None
    return part / whole


MEASURES: Mapping[str, Callable[[Mapping[str, Any], float, float | None], float | None]] = {
    "days_late": days_late,
    "rating_share": rating_share,
    "score_share": score_share,
    "promise_days_late": promise_days_late,
}


def step_points(steps: tuple[tuple[float, float], ...], measured: float) -> float:
    """The points of the last step that begins at or below `measured`; the first below it."""
    points = steps[0][1]
    for start, value in steps:
        if measured < start:
            break
        points = value
    return points


def holds(where: tuple[Condition, ...], data: Mapping[str, Any]) -> bool:
    """True if every condition allows what the data says; a missing field is None."""
    return all(_allowed(data.get(name), allowed) for name, allowed in where)


def _allowed(value: object, allowed: tuple[object, ...]) -> bool:
    """True and 1 are equal to Python but not to whoever wrote the policy."""
    is_flag = isinstance(value, bool)
    return any(value == each and is_flag == isinstance(each, bool) for each in allowed)
