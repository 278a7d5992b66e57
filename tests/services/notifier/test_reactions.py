"""What all rules say about a batch, and a rule that cannot read a fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.notifier.alert import Alert, Rule, Withdrawal
from services.notifier.reactions import Raised, Stumble, Withdrawn, reactions
from tests.services.notifier.house import fact

if TYPE_CHECKING:
    from events.facts import Fact

ALERT = Alert("type", "topic", "p", "line", {})
OVER = Withdrawal("topic", "over")


def rule(name: str, answer: Alert | Withdrawal | None) -> Rule:
    return Rule(name, "Says one thing.", lambda _: answer)


def test_every_rule_is_asked_about_every_fact_in_order() -> None:
    one, two = fact({}, position=1), fact({}, position=2)
    rules = [rule("loud", ALERT), rule("silent", None), rule("over", OVER)]
    assert reactions([one, two], rules) == [
        Raised(one, "loud", ALERT),
        Withdrawn(one, OVER),
        Raised(two, "loud", ALERT),
        Withdrawn(two, OVER),
    ]


def test_a_rule_that_raises_is_noted_and_stops_nobody_and_repeats_no_value() -> None:
    def clumsy(one: Fact) -> Alert | None:
        return one.data["jane@example.com"]

    cause = fact({}, position=4)
    said = reactions([cause], [Rule("clumsy", "Stumbles.", clumsy), rule("loud", ALERT)])
    assert said == [
        Stumble(4, "clumsy", "the rule raised KeyError"),
        Raised(cause, "loud", ALERT),
    ]
