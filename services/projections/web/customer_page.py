"""The customer page: asks each question once at one instant, and draws the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from services.projections.web.customer_view import (
    STATUSES,
    read_missed,
    read_shares,
    read_signals,
    read_timeline,
)
from services.projections.web.explanation import read_explanation
from services.projections.web.points import LOW_HEALTH
from services.projections.web.stand import read_as_of, read_stand
from services.projections.web.words import decimal_or_none, instant_or_none, machine_time, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from starlette.responses import Response

    from services.projections.web.drawing import Drawing
    from services.projections.web.explanation import Explanation
    from services.projections.web.ports import Answers

TIMELINE_PAGE = 30
ATTEMPTS = 3
"""Score and explanation are asked again this often if facts arrived between the two."""


@dataclass(frozen=True, slots=True)
class Health:
    """The score as shown: 0..100 points or None, and how sure it is (coverage 0..1)."""

    value: Decimal | None
    status: str
    coverage: Decimal | None
    policy_version: str

    @property
    def poor(self) -> bool:
        """Is it below the page's line?"""
        return self.value is not None and self.value < LOW_HEALTH

    @property
    def status_words(self) -> str:
        """How sure, in a few words."""
        return STATUSES.get(self.status, (plain(self.status), ""))[0]

    @property
    def status_more(self) -> str:
        """How sure, in a sentence."""
        return STATUSES.get(self.status, ("", ""))[1]


def customer_page(
    answers: Answers, drawing: Drawing, customer: UUID, *, as_of: str, cursor: str | None
) -> Response:
    """Ask everything about one customer at the chosen instant and draw it.

    Raises:
        Unknown: there is no such customer.
        NotUnderstood, BadQuestion: the instant or the cursor cannot be meant.
    """
    wanted = read_as_of(as_of)
    suggested = answers.suggested_as_of()
    facts = answers.customer(customer, as_of=wanted or suggested)
    # "Now" is the first answer's now: a score and its explanation must not differ by a second.
    instant = wanted or suggested or instant_or_none(facts.get("as_of"))
    answer, why = _score(answers, customer, instant)
    timeline = answers.timeline(customer, as_of=instant, cursor=cursor, limit=TIMELINE_PAGE)
    signals = answers.signals(customer, as_of=instant)
    stand = read_stand(answer, answers.progress(), chosen=wanted is not None, suggested=suggested)
    address = f"/customers/{customer}"
    return drawing.page(
        "customer.html",
        customer=str(customer),
        as_of_text=as_of,
        stand=stand,
        facts={"identifiers": (), "simulated": 0, "events": 0} | dict(facts),
        health=read_health(answer),
        why=why,
        shares=read_shares(answers.wallet_share(customer, as_of=instant)),
        open_signals=read_signals(signals),
        missed_signals=read_missed(signals),
        months=read_timeline(timeline),
        older=cursor is not None,
        older_link=_link(address, as_of, str(timeline["next"]), "#timeline")
        if timeline.get("next")
        else "",
        newest_link=_link(address, as_of, "", "#timeline"),
        portfolio_link=_link("/", as_of),
        api_query="?" + urlencode({"as_of": machine_time(stand.as_of)}) if stand else "",
    )


def read_health(answer: Mapping[str, Any]) -> Health:
    """A health answer (ports.Answers.health)."""
    return Health(
        value=decimal_or_none(answer.get("value")),
        status=str(answer.get("status", "insufficient_data")),
        coverage=decimal_or_none(answer.get("coverage")),
        policy_version=str(answer.get("policy_version") or "none"),
    )


def _score(
    answers: Answers, customer: UUID, instant: datetime | None
) -> tuple[Mapping[str, Any], Explanation]:
    """A score and its explanation that speak of the same facts, if that can be had."""
    for _ in range(ATTEMPTS - 1):
        answer = answers.health(customer, as_of=instant)
        why = read_explanation(answers.health_explain(customer, as_of=instant))
        if decimal_or_none(answer.get("value")) == why.value:
            return answer, why
    answer = answers.health(customer, as_of=instant)
    return answer, read_explanation(answers.health_explain(customer, as_of=instant))


def _link(address: str, as_of: str, cursor: str = "", place: str = "") -> str:
    query = {key: value for key, value in (("as_of", as_of), ("cursor", cursor)) if value}
    return f"{address}{'?' + urlencode(query) if query else ''}{place}"
