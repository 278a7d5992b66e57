"""A rule that raised is asked again until it works: its alert is late, never lost."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from services.notifier.alert import alert_id
from services.notifier.outbox import Outbox
from services.notifier.reactions import Raised, reactions
from services.notifier.rules.churn_signals import rule
from services.notifier.service import NotifierService
from services.notifier.stumbling import Stumbling
from tests.services.notifier.house import (
    HASTY,
    FakeChannel,
    clear_signal,
    deliveries,
    raise_signals,
    running,
    statuses,
    wait_until,
)

if TYPE_CHECKING:
    import pytest

    from events.facts import Fact
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from services.notifier.alert import Alert, Rule, Withdrawal


class Clumsy:
    """The churn signal rule, which stumbles over signals (not over clearings) until mended."""

    def __init__(self) -> None:
        self.mended = Event()
        self._whole = rule()

    def react(self, fact: Fact) -> Alert | Withdrawal | None:
        if fact.type == "churn_signal.raised" and not self.mended.is_set():
            raise RecursionError
        return self._whole.react(fact)

    @property
    def rule(self) -> Rule:
        return type(self._whole)(self._whole.name, self._whole.sentence, self.react)


def stumbles(pool: Pool) -> list[int]:
    with pool.connection() as connection:
        rows = connection.execute("SELECT position FROM notifier.stumbles ORDER BY 1").fetchall()
    return [position for (position,) in rows]


def notifier(ledger: Ledger, pool: Pool, clumsy: Clumsy, channel: FakeChannel) -> NotifierService:
    return NotifierService(ledger, pool, [channel], rules=[clumsy.rule], terms=HASTY)


def ids_of_a_rule_that_works(ledger: Ledger) -> list[Any]:
    said = reactions(ledger.facts_after(0), [rule()])
    return [
        alert_id(each.fact, each.rule, each.alert.policy_version)
        for each in said
        if isinstance(each, Raised)
    ]


def test_a_rule_that_works_at_the_next_start_tells_what_it_owed(ledger: Ledger, pool: Pool) -> None:
    clumsy, channel = Clumsy(), FakeChannel()
    raise_signals(ledger, [1, 2])
    with running(notifier(ledger, pool, clumsy, channel)):
        wait_until(lambda: stumbles(pool) == [1, 2])
    assert channel.taken == []

    clumsy.mended.set()
    with running(notifier(ledger, pool, clumsy, channel)):
        wait_until(lambda: statuses(pool) == ["delivered"] * 2)
    assert stumbles(pool) == []
    assert [row["alert_id"] for row in deliveries(pool)] == ids_of_a_rule_that_works(ledger)

    with running(notifier(ledger, pool, clumsy, channel)):
        raise_signals(ledger, [3])
        wait_until(lambda: statuses(pool) == ["delivered"] * 3)
    assert len(channel.taken) == 3


def test_a_rule_that_begins_to_work_is_asked_again_while_the_notifier_runs(
    ledger: Ledger, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.reader.RETRY_SECONDS", 0.05)
    clumsy, channel = Clumsy(), FakeChannel()
    with running(notifier(ledger, pool, clumsy, channel)):
        raise_signals(ledger, [1])
        wait_until(lambda: stumbles(pool) == [1])
        clumsy.mended.set()
        wait_until(lambda: statuses(pool) == ["delivered"])
    assert stumbles(pool) == []


def test_a_signal_cleared_while_its_rule_stumbled_is_not_sent(ledger: Ledger, pool: Pool) -> None:
    clumsy, channel = Clumsy(), FakeChannel()
    raise_signals(ledger, [1, 2])
    with running(notifier(ledger, pool, clumsy, channel)):
        wait_until(lambda: stumbles(pool) == [1, 2])
        clear_signal(ledger, 1)
        wait_until(lambda: Outbox(pool).position() == 3)  # the feed does not bring it again

    clumsy.mended.set()
    with running(notifier(ledger, pool, clumsy, channel)):
        wait_until(lambda: statuses(pool) == ["superseded", "delivered"])
    assert len(channel.taken) == 1


def test_every_round_warns_with_the_count_of_what_is_still_owed(
    ledger: Ledger, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.stumbling.PAGE", 2)
    clumsy, outbox = Clumsy(), Outbox(pool)
    outbox.start()
    raise_signals(ledger, [1, 2, 3])
    outbox.record(1, 3, reactions(ledger.facts_after(0), [clumsy.rule]), ["webhook"])
    stumbling = Stumbling(ledger, outbox, [clumsy.rule], ["webhook"])
    with capture_logs() as logs:
        stumbling.retry(Event())
        stumbling.retry(Event())
        clumsy.mended.set()
        stumbling.retry(Event())
        stumbling.retry(Event())
    assert [(line["event"], line["log_level"], line["count"]) for line in logs] == [
        ("rules_still_stumble", "warning", 3),
        ("rules_still_stumble", "warning", 3),
        ("stumbles_made_good", "info", 3),
    ]
    assert statuses(pool) == ["pending"] * 3


def test_what_another_notifier_has_read_further_is_looked_at_anew(
    ledger: Ledger, pool: Pool
) -> None:
    clumsy, outbox = Clumsy(), Outbox(pool)
    outbox.start()
    raise_signals(ledger, [1, 2])
    facts = ledger.facts_after(0)
    outbox.record(1, 2, reactions(facts, [clumsy.rule]), ["webhook"])
    said = reactions(facts[:1], [rule()])
    assert not outbox.make_good((1, clumsy.rule.name), 1, said, ["webhook"])
    assert (stumbles(pool), statuses(pool)) == ([1, 2], [])
    assert outbox.make_good((1, clumsy.rule.name), 2, said, ["webhook"])
    assert (stumbles(pool), statuses(pool)) == ([2], ["pending"])
