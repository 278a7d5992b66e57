"""What all rules say about a batch of facts, in order. Pure: no clock, no I/O.

A rule that raises stops nobody: the fact is noted with the rule's name, and reading goes on. It is
asked again later (`second_look`), so that its alert is late and not lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.notifier.alert import Alert, Rule, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from events.facts import Fact


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert, the fact that caused it and the rule that said so."""

    fact: Fact
    rule: str
    alert: Alert


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A withdrawal and the fact that caused it."""

    fact: Fact
    withdrawal: Withdrawal


@dataclass(frozen=True, slots=True)
class Stumble:
    """A rule that could not read a fact; `reason` names the kind of error, never a value."""

    position: int
    rule: str
    reason: str


Reaction = Raised | Withdrawn | Stumble


def reactions(facts: Iterable[Fact], rules: Sequence[Rule]) -> list[Reaction]:
    """Ask every rule about every fact; what they say, in the order of the facts."""
    said = (_ask(rule, fact) for fact in facts for rule in rules)
    return [reaction for reaction in said if reaction is not None]


def second_look(
    fact: Fact, rule: Rule, later: Iterable[Fact], rules: Sequence[Rule]
) -> list[Reaction] | None:
    """What `rule` says now about a fact over which it stumbled; None if it still raises.

    After an alert come the withdrawals that `rules` read in the customer's `later` facts: they
    were recorded while the alert was missing, and what is over is not sent.
    """
    said = _ask(rule, fact)
    match said:
        case Stumble():
            return None
        case Raised():
            over = [each for each in reactions(later, rules) if isinstance(each, Withdrawn)]
            return [said, *over]
        case _:
            return [] if said is None else [said]


def _ask(rule: Rule, fact: Fact) -> Reaction | None:
    try:
        answer = rule.react(fact)
    except Exception as error:  # noqa: BLE001 - one rule's fault must not silence all others
        return Stumble(fact.position, rule.name, f"the rule raised {type(error).__name__}")
    match answer:
        case Alert():
            return Raised(fact, rule.name, answer)
        case Withdrawal():
            return Withdrawn(fact, answer)
        case None:
            return None
