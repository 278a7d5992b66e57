"""The outbox's tables: written with the checkpoint, claimed by one, never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from services.notifier.alert import Alert, Withdrawal, alert_id, message_body
from services.notifier.channels import webhook
from services.notifier.errors import FactsSkipped
from services.notifier.outbox import HISTORY_REASON, Outbox
from services.notifier.reactions import Raised, Stumble, Withdrawn, reactions
from services.notifier.rules.churn_signals import rule
from services.notifier.sender import LEASE
from tests.services.notifier.house import (
    OCCURRED,
    cleared,
    customer,
    deliveries,
    fact,
    raised,
    statuses,
    wait_until,
)

if TYPE_CHECKING:
    from uuid import UUID

    from events.facts import Fact
    from infra.plumbing.postgres.pool import Pool
    from services.notifier.channel import Message

LONG = timedelta(hours=1)
NO_TIME = timedelta(0)
ATTEMPTS = 5


@pytest.fixture
def outbox(pool: Pool) -> Outbox:
    opened = Outbox(pool)
    assert opened.start() == 0
    # Facts of these tests were recorded in March 2026; the notifier first started then, too.
    _first_started(pool, OCCURRED)
    return opened


def _first_started(pool: Pool, at: Any) -> None:
    with pool.connection() as connection:
        connection.execute("UPDATE notifier.checkpoints SET first_started_at = %s", (at,))


def signal_fact(position: int, number: int, kind: str = "raised", **changes: Any) -> Fact:
    data = raised(number) if kind == "raised" else cleared(number)
    known: dict[str, Any] = {
        "position": position,
        "stream": customer(number),
        "event_id": f"{number}/{kind}",
    }
    return fact(data, f"churn_signal.{kind}", **{**known, **changes})


def record(outbox: Outbox, *facts: Fact, channels: tuple[str, ...] = ("webhook",)) -> None:
    said = reactions(facts, [rule()])
    outbox.record(facts[0].position, facts[-1].position, said, channels)


def claim(outbox: Outbox, lease: timedelta = LONG, channel: str = "webhook") -> Message | None:
    return outbox.claim(channel, lease, ATTEMPTS)


def must_claim(outbox: Outbox, lease: timedelta = LONG) -> Message:
    message = claim(outbox, lease)
    assert message is not None
    return message


def test_alerts_deliveries_and_checkpoint_are_written_together(outbox: Outbox, pool: Pool) -> None:
    one = signal_fact(1, 1)
    record(outbox, one, signal_fact(2, 2), channels=("console", "webhook"))
    assert outbox.position() == 2
    rows = deliveries(pool)
    assert [(row["position"], row["channel"]) for row in rows] == [
        (1, "console"),
        (1, "webhook"),
        (2, "console"),
        (2, "webhook"),
    ]
    said = rule().react(one)
    assert isinstance(said, Alert)
    assert rows[0]["body"] == message_body(said, one, "churn_signals")
    assert rows[0]["alert_id"] == alert_id(one, "churn_signals", "default-1")


def test_if_one_row_cannot_be_written_nothing_is(outbox: Outbox, pool: Pool) -> None:
    good = Raised(signal_fact(1, 1), "rule", Alert("t", "topic", "p", "line", {}))
    bad = Raised(signal_fact(2, 2), "rule", Alert("t", "nul \x00", "p", "line", {}))
    with pytest.raises(psycopg.DataError):
        outbox.record(1, 2, [good, bad], ["webhook"])
    assert deliveries(pool) == []
    assert outbox.position() == 0


def test_the_same_batch_recorded_twice_changes_nothing(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.delivered("webhook", must_claim(outbox))
    before = deliveries(pool)
    record(outbox, signal_fact(1, 1))
    assert deliveries(pool) == before
    assert outbox.position() == 1


def test_reading_the_ledger_again_from_its_beginning_sends_nothing(
    outbox: Outbox, pool: Pool
) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.delivered("webhook", must_claim(outbox))
    with pool.connection() as connection:
        connection.execute("UPDATE notifier.checkpoints SET position = 0")
    record(outbox, signal_fact(1, 1), channels=("added since", "webhook"))
    assert [(row["channel"], row["status"]) for row in deliveries(pool)] == [
        ("webhook", "delivered")
    ]


def test_a_batch_that_overlaps_the_checkpoint_adds_only_its_news(
    outbox: Outbox, pool: Pool
) -> None:
    record(outbox, signal_fact(1, 1))
    record(outbox, signal_fact(1, 1), signal_fact(2, 2))
    assert [row["position"] for row in deliveries(pool)] == [1, 2]


def test_a_repeated_withdrawal_does_not_touch_a_later_alert(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1), signal_fact(2, 1, "cleared"))
    record(outbox, signal_fact(3, 1, event_id="1/raised again"))
    with pool.connection() as connection:
        connection.execute("UPDATE notifier.checkpoints SET position = 0")
    record(outbox, signal_fact(1, 1), signal_fact(2, 1, "cleared"))
    assert statuses(pool) == ["superseded", "pending"]


def test_the_checkpoint_never_moves_back(outbox: Outbox) -> None:
    outbox.record(1, 10, [], [])
    outbox.record(1, 4, [], [])
    assert outbox.position() == 10


def test_a_hole_in_the_feed_is_loud_and_writes_nothing(outbox: Outbox, pool: Pool) -> None:
    with pytest.raises(FactsSkipped, match="from position 0 to 2"):
        record(outbox, signal_fact(2, 2))
    assert deliveries(pool) == []
    assert outbox.position() == 0


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_is_over(outbox: Outbox) -> None:
    record(outbox, signal_fact(1, 1))
    assert must_claim(outbox, LONG).attempt == 1
    assert claim(outbox) is None


def test_a_lease_that_ran_out_is_claimed_again_with_the_same_id_and_bytes(outbox: Outbox) -> None:
    record(outbox, signal_fact(1, 1))
    first = must_claim(outbox, NO_TIME)
    again = must_claim(outbox)
    assert (again.alert_id, again.body, again.line) == (first.alert_id, first.body, first.line)
    assert again.attempt == 2


def test_what_a_killed_notifier_had_claimed_is_due_again_within_30_seconds(
    outbox: Outbox, pool: Pool
) -> None:
    """And no earlier than a webhook that takes all its time has answered."""
    record(outbox, signal_fact(1, 1))
    must_claim(outbox, LEASE)
    with pool.connection() as connection:
        query = b"SELECT next_attempt_at - now() FROM notifier.deliveries"
        [(due,)] = connection.execute(query).fetchall()
    assert webhook.DEADLINE + timedelta(seconds=5) < due < timedelta(seconds=25)


def test_many_claimers_at_once_never_share_a_delivery(outbox: Outbox) -> None:
    record(outbox, *(signal_fact(n, n) for n in range(1, 41)))
    with ThreadPoolExecutor(8) as many:
        taken = [future.result() for future in [many.submit(claim, outbox) for _ in range(48)]]
    ids = [message.alert_id for message in taken if message is not None]
    assert len(ids) == len(set(ids)) == 40


def test_a_claim_does_not_wait_for_a_row_somebody_holds(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1), signal_fact(2, 2))
    with pool.connection() as other:
        held = other.execute(
            "SELECT alert_id FROM notifier.deliveries ORDER BY next_attempt_at, alert_id"
            " LIMIT 1 FOR UPDATE"
        ).fetchone()
        assert held is not None
        assert must_claim(outbox).alert_id != held[0]
        assert claim(outbox) is None


def test_what_was_delivered_is_not_claimed_again(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.delivered("webhook", must_claim(outbox, NO_TIME))
    assert claim(outbox) is None
    assert statuses(pool) == ["delivered"]


def test_each_channel_has_its_own_delivery(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1), channels=("console", "webhook"))
    outbox.dead("webhook", must_claim(outbox), "gone")
    assert statuses(pool, "console") == ["pending"]
    assert claim(outbox, channel="console") is not None


def test_a_delivery_put_back_waits_and_keeps_its_reason(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.put_back("webhook", must_claim(outbox), LONG, "answered 500")
    assert claim(outbox) is None
    assert deliveries(pool)[0]["last_error"] == "answered 500"


def test_a_late_failure_does_not_undo_the_newer_attempt(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    slow = must_claim(outbox, NO_TIME)
    must_claim(outbox, LONG)
    outbox.put_back("webhook", slow, NO_TIME, "too late")
    outbox.dead("webhook", slow, "too late")
    assert claim(outbox) is None
    assert statuses(pool) == ["pending"]


def test_a_late_success_counts_whatever_was_thought_meanwhile(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    slow = must_claim(outbox, NO_TIME)
    outbox.dead("webhook", must_claim(outbox), "gone")
    outbox.delivered("webhook", slow)
    assert statuses(pool) == ["delivered"]


def test_a_dead_delivery_is_kept_with_its_reason(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.dead("webhook", must_claim(outbox), "gone")
    [row] = deliveries(pool)
    assert (row["status"], row["last_error"], row["attempts"]) == ("dead", "gone", 1)
    assert row["ended_at"] is not None


def test_a_last_attempt_that_never_ended_is_buried_with_a_reason(
    outbox: Outbox, pool: Pool
) -> None:
    record(outbox, signal_fact(1, 1), signal_fact(2, 2))
    for _ in range(2 * ATTEMPTS):
        must_claim(outbox, NO_TIME)
    assert claim(outbox) is None
    outbox.bury_unfinished("webhook", ATTEMPTS)
    assert statuses(pool) == ["dead", "dead"]
    assert all("never ended" in row["last_error"] for row in deliveries(pool))


def test_a_last_attempt_still_under_way_is_not_buried(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    for _ in range(ATTEMPTS - 1):
        must_claim(outbox, NO_TIME)
    must_claim(outbox, LONG)
    outbox.bury_unfinished("webhook", ATTEMPTS)
    assert statuses(pool) == ["pending"]


def test_a_cleared_signal_supersedes_what_was_not_sent(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1), signal_fact(2, 2), signal_fact(3, 1, "cleared"))
    assert statuses(pool) == ["superseded", "pending"]
    assert deliveries(pool)[0]["last_error"] == "A purchase came in."
    assert must_claim(outbox).alert_id == deliveries(pool)[1]["alert_id"]


def test_a_cleared_signal_does_not_undo_what_was_sent(outbox: Outbox, pool: Pool) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.delivered("webhook", must_claim(outbox))
    record(outbox, signal_fact(2, 1, "cleared"))
    assert statuses(pool) == ["delivered"]


def test_a_failure_under_way_when_the_signal_is_cleared_is_not_tried_again(
    outbox: Outbox, pool: Pool
) -> None:
    record(outbox, signal_fact(1, 1))
    under_way = must_claim(outbox)
    record(outbox, signal_fact(2, 1, "cleared"))
    outbox.put_back("webhook", under_way, NO_TIME, "answered 500")
    assert claim(outbox) is None
    assert statuses(pool) == ["superseded"]


def test_another_customers_withdrawal_of_the_same_topic_changes_nothing(
    outbox: Outbox, pool: Pool
) -> None:
    record(outbox, signal_fact(1, 1))
    stranger = signal_fact(2, 1, "cleared", stream=customer(2))
    outbox.record(2, 2, [Withdrawn(stranger, Withdrawal("topic", "mine"))], ["webhook"])
    record(outbox, signal_fact(3, 1, "cleared", stream=customer(2)))
    assert statuses(pool) == ["pending"]


def test_what_was_recorded_long_before_the_first_start_is_kept_and_not_sent(
    outbox: Outbox, pool: Pool
) -> None:
    old = signal_fact(1, 1, recorded_at=OCCURRED - timedelta(days=7, seconds=1))
    recent = signal_fact(2, 2, recorded_at=OCCURRED - timedelta(days=6))
    record(outbox, old, recent)
    assert statuses(pool) == ["withheld", "pending"]
    assert deliveries(pool)[0]["last_error"] == HISTORY_REASON


def test_a_later_start_does_not_turn_news_into_history(pool: Pool) -> None:
    outbox = Outbox(pool)
    outbox.start()
    _first_started(pool, OCCURRED)
    assert Outbox(pool).start() == 0
    record(outbox, signal_fact(1, 1, recorded_at=OCCURRED + timedelta(days=100)))
    assert statuses(pool) == ["pending"]


def test_a_paused_channel_is_left_alone_and_no_other(outbox: Outbox) -> None:
    record(outbox, signal_fact(1, 1), channels=("console", "webhook"))
    outbox.pause("webhook", LONG)
    assert claim(outbox) is None
    assert claim(outbox, channel="console") is not None


def test_a_shorter_pause_does_not_end_a_longer_one(outbox: Outbox) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.pause("webhook", LONG)
    outbox.pause("webhook", NO_TIME)
    assert claim(outbox) is None


def test_a_pause_ends_by_itself(outbox: Outbox) -> None:
    record(outbox, signal_fact(1, 1))
    outbox.pause("webhook", timedelta(milliseconds=50))
    wait_until(lambda: claim(outbox) is not None)


def test_a_stumble_is_noted_once(outbox: Outbox, pool: Pool) -> None:
    outbox.record(1, 1, [Stumble(1, "rule", "the rule raised KeyError")], ["webhook"])
    outbox.record(1, 1, [Stumble(1, "rule", "the rule raised KeyError")], ["webhook"])
    with pool.connection() as connection:
        rows = connection.execute("SELECT position, rule, reason FROM notifier.stumbles")
        assert rows.fetchall() == [(1, "rule", "the rule raised KeyError")]


def test_ids_in_the_outbox_are_those_anyone_can_compute(outbox: Outbox, pool: Pool) -> None:
    cause = signal_fact(1, 1)
    record(outbox, cause)
    stored: UUID = deliveries(pool)[0]["alert_id"]
    assert stored == alert_id(cause, "churn_signals", "default-1")
