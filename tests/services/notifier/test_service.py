"""The whole notifier over a real ledger, a real database and real or remembered receivers."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import pytest
from standardwebhooks import Webhook

from infra.plumbing.ledger.feed import LedgerFeed
from services.notifier.alert import Alert, Rule
from services.notifier.channel import Delivered, GiveUp, Message, Outcome, TryAgain
from services.notifier.channels.console import ConsoleChannel
from services.notifier.channels.webhook import WebhookChannel, read_secrets
from services.notifier.errors import FactsSkipped, NameTaken
from services.notifier.service import NotifierService, out_of_reach
from tests.services.notifier.house import (
    HASTY,
    FakeChannel,
    clear_signal,
    customer,
    deliveries,
    new_event,
    raise_signals,
    raised,
    running,
    signal,
    statuses,
    wait_until,
)
from tests.services.notifier.sink import OK, Answer, Behaviour, Received, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from events.facts import Fact
    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the published test vector
PATIENT = replace(HASTY, retry=replace(HASTY.retry, base=timedelta(hours=1), cap=timedelta(days=1)))


def webhook(sink: Sink, seconds: float = 10.0) -> WebhookChannel:
    tls = ssl.create_default_context()
    return WebhookChannel(sink.url, read_secrets(SECRET), tls, deadline=timedelta(seconds=seconds))


def reasons(pool: Pool) -> list[str | None]:
    return [row["last_error"] for row in deliveries(pool)]


def test_a_raised_signal_reaches_webhook_and_console(ledger: Ledger, pool: Pool) -> None:
    lines: list[str] = []
    with Sink() as sink:
        service = NotifierService(
            ledger, pool, [ConsoleChannel(lines.append), webhook(sink)], terms=HASTY
        )
        with running(service):
            raise_signals(ledger, [1])
            wait_until(lambda: statuses(pool) == ["delivered"] == statuses(pool, "console"))
    [line] = lines
    assert line == (
        f"alert  customer {customer(1)}  silence: No purchase for 91 days; usually one every 30."
        " Suggested playbook: win-back call."
    )
    [received] = sink.received
    message = Webhook(SECRET).verify(received.body, dict(received.headers))
    assert message["type"] == "churn_signal.alert"
    assert message["data"]["customer"] == str(customer(1))
    assert message["data"]["alert_id"] == received.alert_id


def test_an_alert_goes_out_soon_after_its_signal(ledger: Ledger, pool: Pool) -> None:
    with Sink() as sink, running(NotifierService(ledger, pool, [webhook(sink)], terms=HASTY)):
        raise_signals(ledger, [1])
        sink.wait_for(lambda s: len(s.received) == 1)
        before = monotonic()
        raise_signals(ledger, [2])
        sink.wait_for(lambda s: len(s.received) == 2)
        assert monotonic() - before < 5.0


def test_a_second_start_sends_nothing_again(ledger: Ledger, pool: Pool) -> None:
    raise_signals(ledger, [1, 2])
    first, second = FakeChannel(), FakeChannel()
    with running(NotifierService(ledger, pool, [first], terms=HASTY)):
        wait_until(lambda: statuses(pool) == ["delivered"] * 2)
    with running(NotifierService(ledger, pool, [second], terms=HASTY)):
        raise_signals(ledger, [3])
        wait_until(lambda: statuses(pool) == ["delivered"] * 3)
    assert len(first.taken) == 2
    assert len(second.taken) == 1


def test_a_signal_that_says_it_was_missed_is_not_sent(ledger: Ledger, pool: Pool) -> None:
    missed = new_event(1, "churn_signal.raised", raised(1, missed=True, alerted=False))
    ledger.append([missed])
    raise_signals(ledger, [2])
    channel = FakeChannel()
    with running(NotifierService(ledger, pool, [channel], terms=HASTY)):
        wait_until(lambda: statuses(pool) == ["delivered"])
    assert [message.customer for message in channel.taken] == [customer(2)]


def test_a_signal_cleared_while_the_notifier_was_down_is_not_sent(
    ledger: Ledger, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One fact a batch: the clearing is read long after the raising, and still nothing is sent.
    monkeypatch.setattr("services.notifier.reader.BATCH", 1)
    raise_signals(ledger, [1, 2, 3, 4, 5])
    clear_signal(ledger, 1)
    channel = FakeChannel()
    with running(NotifierService(ledger, pool, [channel], terms=HASTY)):
        wait_until(lambda: statuses(pool) == ["superseded", *["delivered"] * 4])
    assert customer(1) not in [message.customer for message in channel.taken]


def test_a_signal_cleared_between_two_attempts_is_not_tried_again(
    ledger: Ledger, pool: Pool
) -> None:
    channel = FakeChannel(answer=lambda _: TryAgain("busy"))
    with running(NotifierService(ledger, pool, [channel], terms=PATIENT)):
        raise_signals(ledger, [1])
        wait_until(lambda: reasons(pool) == ["busy"])
        clear_signal(ledger, 1)
        wait_until(lambda: statuses(pool) == ["superseded"])
    assert len(channel.taken) == 1


def test_a_first_start_on_an_old_ledger_sends_no_history(ledger: Ledger, pool: Pool) -> None:
    raise_signals(ledger, [1])
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO notifier.checkpoints (name, first_started_at)"
            " VALUES ('notifier', now() + interval '8 days')"
        )
    channel = FakeChannel()
    with running(NotifierService(ledger, pool, [channel], terms=HASTY)):
        wait_until(lambda: statuses(pool) == ["withheld"])
    assert channel.taken == []


@pytest.mark.parametrize("fault", [Answer(500), "reset", "hang", Answer(302, {"location": "/x"})])
def test_a_receiver_that_recovers_gets_every_alert_with_its_first_id(
    ledger: Ledger, pool: Pool, fault: Behaviour
) -> None:
    def behave(received: Received) -> Behaviour:
        return fault if received.number <= 6 else OK

    with Sink(behave) as sink:
        service = NotifierService(ledger, pool, [webhook(sink, 0.3)], terms=HASTY)
        raise_signals(ledger, range(1, 7))
        with running(service):
            wait_until(lambda: statuses(pool) == ["delivered"] * 6)
    assert len(sink.ids) > 6
    assert set(sink.ids) == {str(row["alert_id"]) for row in deliveries(pool)}
    bodies = {(received.alert_id, received.body) for received in sink.received}
    assert len(bodies) == 6


def test_attempts_are_bounded_and_what_is_given_up_is_kept_with_its_reason(
    ledger: Ledger, pool: Pool
) -> None:
    with Sink(lambda _: Answer(503)) as sink:
        raise_signals(ledger, [1])
        with running(NotifierService(ledger, pool, [webhook(sink)], terms=HASTY)):
            wait_until(lambda: statuses(pool) == ["dead"])
    [row] = deliveries(pool)
    assert row["attempts"] == HASTY.retry.attempts == len(sink.received)
    assert row["last_error"] == "the receiver answered 503; given up after 5 attempts"
    assert orjson.loads(row["body"])["data"]["signal_id"] == signal(1)


def test_a_receiver_that_is_gone_is_asked_once(ledger: Ledger, pool: Pool) -> None:
    with Sink(lambda _: Answer(410)) as sink:
        raise_signals(ledger, [1])
        with running(NotifierService(ledger, pool, [webhook(sink)], terms=HASTY)):
            wait_until(lambda: statuses(pool) == ["dead"])
    assert len(sink.received) == 1


def test_retry_after_holds_the_whole_channel_and_no_other(ledger: Ledger, pool: Pool) -> None:
    slow_down = Answer(429, {"retry-after": "3600"})
    other = FakeChannel(name="other")
    with Sink(lambda _: slow_down) as sink:
        channels = [other, replace(webhook(sink), workers=1)]
        with running(NotifierService(ledger, pool, channels, terms=PATIENT)):
            raise_signals(ledger, [1])
            wait_until(lambda: reasons(pool) == [None, "the receiver answered 429"])
            raise_signals(ledger, [2, 3])
            wait_until(lambda: statuses(pool, "other") == ["delivered"] * 3)
    assert len(sink.received) == 1
    with pool.connection() as connection:
        [pause] = connection.execute(
            "SELECT name, paused_until > now() + interval '59 minutes' FROM notifier.channels"
        ).fetchall()
    assert pause == ("webhook", True)


def test_retry_after_is_waited_for_and_then_kept_to(ledger: Ledger, pool: Pool) -> None:
    times: list[float] = []

    def behave(received: Received) -> Behaviour:
        times.append(monotonic())
        return Answer(429, {"retry-after": "1"}) if received.number == 1 else OK

    with Sink(behave) as sink:
        raise_signals(ledger, [1])
        with running(NotifierService(ledger, pool, [webhook(sink)], terms=HASTY)):
            wait_until(lambda: statuses(pool) == ["delivered"])
    assert times[1] - times[0] >= 1.0


def test_a_channel_that_hangs_holds_up_no_other(ledger: Ledger, pool: Pool) -> None:
    release = Event()

    def hang(_: Message) -> Outcome:
        release.wait(60)
        return Delivered()

    stuck, quick = FakeChannel("stuck", answer=hang), FakeChannel("quick")
    with running(NotifierService(ledger, pool, [stuck, quick], terms=HASTY)):
        raise_signals(ledger, range(1, 21))
        wait_until(lambda: statuses(pool, "quick") == ["delivered"] * 20)
        assert statuses(pool, "stuck") == ["pending"] * 20
        release.set()
        wait_until(lambda: statuses(pool, "stuck") == ["delivered"] * 20)


def test_an_endpoint_that_hangs_on_one_alert_still_gets_the_others(
    ledger: Ledger, pool: Pool
) -> None:
    def behave(received: Received) -> Behaviour:
        return "hang" if received.number == 1 else OK

    with Sink(behave) as sink:
        raise_signals(ledger, range(1, 9))
        with running(NotifierService(ledger, pool, [webhook(sink, 2.0)], terms=PATIENT)):
            sink.wait_for(lambda s: len(s.received) == 8)
            wait_until(lambda: statuses(pool).count("delivered") == 7)


def test_a_channel_that_raises_is_tried_again_without_repeating_its_words(
    ledger: Ledger, pool: Pool
) -> None:
    def clumsy(message: Message) -> Outcome:
        if message.attempt == 1:
            raise KeyError("jane@example.com")
        return GiveUp("enough")

    raise_signals(ledger, [1])
    channel = FakeChannel(answer=clumsy)
    with running(NotifierService(ledger, pool, [channel], terms=PATIENT)):
        wait_until(lambda: reasons(pool) == ["the channel raised KeyError"])
    assert statuses(pool) == ["pending"]


def test_two_notifiers_side_by_side_send_each_alert_once(ledger: Ledger, pool: Pool) -> None:
    one, two = FakeChannel(), FakeChannel()
    with (
        running(NotifierService(ledger, pool, [one], terms=PATIENT)),
        running(NotifierService(ledger, pool, [two], terms=PATIENT)),
    ):
        for number in range(1, 31):
            raise_signals(ledger, [number])
        wait_until(lambda: statuses(pool) == ["delivered"] * 30)
    ids = [message.alert_id for message in one.taken + two.taken]
    assert len(ids) == len(set(ids)) == 30


def test_it_goes_on_when_the_database_comes_back(ledger: Ledger, pool: Pool) -> None:
    channel = FakeChannel()
    with running(NotifierService(ledger, pool, [channel], terms=HASTY)):
        for number in range(1, 4):
            raise_signals(ledger, [number])
            wait_until(lambda n=number: statuses(pool) == ["delivered"] * n)
            with psycopg.connect(pool.conninfo, autocommit=True) as connection:  # pyright: ignore[reportArgumentType] - a plain string here
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
    assert len(channel.taken) >= 3


def test_without_any_channel_alerts_are_recorded(ledger: Ledger, pool: Pool) -> None:
    def alerts() -> int:
        with pool.connection() as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM notifier.alerts").fetchall()
        return count

    raise_signals(ledger, [1])
    with running(NotifierService(ledger, pool, [], terms=HASTY)):
        wait_until(lambda: alerts() == 1)


def test_a_rule_that_stumbles_does_not_stop_the_others(ledger: Ledger, pool: Pool) -> None:
    def clumsy(_: Fact) -> Alert | None:
        raise RecursionError

    rules = [Rule("clumsy", "Stumbles.", clumsy)]
    rules.append(Rule("calm", "Tells.", lambda f: Alert("t", f.event_id, "p", "calm", {})))
    raise_signals(ledger, [1, 2])
    with running(NotifierService(ledger, pool, [FakeChannel()], rules=rules, terms=HASTY)):
        wait_until(lambda: statuses(pool) == ["delivered"] * 2)
    with pool.connection() as connection:
        rows = connection.execute("SELECT position, rule FROM notifier.stumbles ORDER BY 1")
        assert rows.fetchall() == [(1, "clumsy"), (2, "clumsy")]


class Leaky:
    """A feed that loses every fact but the last."""

    def __init__(self, feed: LedgerFeed) -> None:
        self._feed = feed

    def batches(self, after: int, limit: int, stop: Event) -> Iterator[list[Fact]]:
        return (facts[-1:] for facts in self._feed.batches(after, limit, stop))


def test_a_feed_with_a_hole_ends_the_program_loudly(
    ledger: Ledger, pool: Pool, conninfo: str
) -> None:
    raise_signals(ledger, [1, 2])
    channel = FakeChannel()
    leaky = Leaky(LedgerFeed(ledger, conninfo))
    stop = Event()
    with pytest.raises(FactsSkipped):
        NotifierService(ledger, pool, [channel], feed=leaky, terms=HASTY).run(stop)
    assert stop.is_set()
    assert channel.taken == []


def test_two_channels_of_one_name_are_refused(ledger: Ledger, pool: Pool) -> None:
    with pytest.raises(NameTaken):
        NotifierService(ledger, pool, [FakeChannel(), FakeChannel()])


def test_a_database_out_of_reach_is_told_apart_from_other_errors() -> None:
    wrapped: Any = RuntimeError("the library's own")
    wrapped.__cause__ = psycopg.OperationalError("gone")
    assert out_of_reach(wrapped)
    assert out_of_reach(psycopg.InterfaceError("closed"))
    assert not out_of_reach(FactsSkipped("a hole"))
    assert not out_of_reach(psycopg.DataError("odd"))
