"""The door to the outbox: what is to be told, to whom, and how that went.

Two sides meet here and nowhere else. The reader writes alerts, deliveries and its checkpoint in one
transaction; a sender claims one delivery at a time under a lease, so that no transaction is open
while it talks to the world. A program that dies in between leaves the delivery to the next claim.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from infra.plumbing.queries import Queries
from services.notifier.alert import alert_id, message_body
from services.notifier.channel import Message
from services.notifier.errors import FactsSkipped
from services.notifier.reactions import Raised, Stumble, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    from services.notifier.reactions import Reaction

HISTORY_AFTER = timedelta(days=7)
"""Signals recorded this long before the notifier's very first start are history, not news."""

HISTORY_REASON = "recorded long before the notifier first started: history, not news"

_SQL = Queries.beside("services.notifier", "outbox.sql")


class Outbox:
    """The tables of the schema `notifier`, through a pool of connections.

    Every method is one short transaction. All raise psycopg.OperationalError if the database
    cannot be reached; then nothing, or (the reply to a commit was lost) everything was done, and
    each may be called again.
    """

    def __init__(self, pool: ConnectionPool[Any], name: str = "notifier") -> None:
        """Keep the checkpoint under `name`."""
        self._pool = pool
        self._name = name

    def start(self) -> int:
        """Return the position read through, 0 at the very first start (which is remembered)."""
        with self._pool.connection() as connection:
            connection.execute(_SQL["start"], {"name": self._name})
        return self.position()

    def position(self) -> int:
        """Return the position read through."""
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            row = cursor.execute(_SQL["position"], {"name": self._name}).fetchone()
        return row["position"] if row else 0

    def record(
        self, first: int, last: int, said: Sequence[Reaction], channels: Sequence[str]
    ) -> None:
        """Write what was said about facts `first` to `last`, and move the checkpoint to `last`.

        What was recorded before, by another notifier or in an earlier reading, stays as it is.

        Raises:
            FactsSkipped: `first` does not follow the checkpoint; nothing is written.
        """
        with self._pool.connection() as connection:
            position, first_started_at = self._lock(connection)
            if first > position + 1:
                raise FactsSkipped(
                    f"The feed went from position {position} to {first}. Nothing was sent for "
                    "what lies between; start the notifier again, and if this stays, verify the "
                    "ledger."
                )
            for reaction in said:
                _write(connection, reaction, channels, first_started_at - HISTORY_AFTER)
            moved = {"name": self._name, "position": last}
            connection.execute(_SQL["move_checkpoint"], moved)

    def stumbles(
        self, rules: Sequence[str], after: tuple[int, str], limit: int
    ) -> list[tuple[int, str]]:
        """Return position and rule of at most `limit` stumbles of `rules` behind `after`."""
        wanted = {"rules": list(rules), "position": after[0], "rule": after[1], "limit": limit}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            rows = cursor.execute(_SQL["stumbles"], wanted).fetchall()
        return [(row["position"], row["rule"]) for row in rows]

    def make_good(
        self, stumble: tuple[int, str], seen: int, said: Sequence[Reaction], channels: Sequence[str]
    ) -> bool:
        """Write what is `said` now about a stumble, and forget the stumble; True if done.

        Nothing is written, and False returned, if another notifier has read past `seen`, the
        last position looked at: a withdrawal may lie there.

        Raises:
            FactsSkipped: the checkpoint is gone.
        """
        position, rule = stumble
        with self._pool.connection() as connection:
            checkpoint, first_started_at = self._lock(connection)
            if checkpoint > seen:
                return False
            for reaction in said:
                _write(connection, reaction, channels, first_started_at - HISTORY_AFTER)
            connection.execute(_SQL["forget_stumble"], {"position": position, "rule": rule})
        return True

    def claim(self, channel: str, lease: timedelta, attempts: int) -> Message | None:
        """Take the delivery of `channel` that is due longest, or None; count the attempt.

        It is nobody else's for `lease`. One that has used up its `attempts` is not taken.
        """
        wanted = {"channel": channel, "lease": lease, "attempts": attempts}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            row = cursor.execute(_SQL["claim"], wanted).fetchone()
        if row is None:
            return None
        return Message(row["alert_id"], row["stream"], row["attempts"], row["line"], row["body"])

    def delivered(self, channel: str, message: Message) -> None:
        """Note that the receiver took `message`, whatever was thought of it meanwhile."""
        self._run("mark_delivered", channel, message)

    def put_back(self, channel: str, message: Message, wait: timedelta, reason: str) -> None:
        """Try again after `wait`, unless another attempt or a withdrawal came in between."""
        self._run("put_back", channel, message, wait=wait, reason=reason)

    def dead(self, channel: str, message: Message, reason: str) -> None:
        """Give up and keep it with `reason`, unless another attempt came in between."""
        self._run("mark_dead", channel, message, reason=reason)

    def pause(self, channel: str, wait: timedelta) -> None:
        """Leave the receiver behind `channel` alone for `wait`, or longer if already so."""
        with self._pool.connection() as connection:
            connection.execute(_SQL["pause"], {"channel": channel, "wait": wait})

    def bury_unfinished(self, channel: str, attempts: int) -> None:
        """Give up what used all its `attempts` and whose last lease ran out without an answer."""
        with self._pool.connection() as connection:
            wanted = {"channel": channel, "attempts": attempts}
            connection.execute(_SQL["bury_unfinished"], wanted)

    def _lock(self, connection: Connection[Any]) -> tuple[int, datetime]:
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(_SQL["lock_checkpoint"], {"name": self._name}).fetchone()
        if row is None:
            raise FactsSkipped("The notifier's checkpoint is gone. Start the notifier again.")
        return row["position"], row["first_started_at"]

    def _run(self, query: str, channel: str, message: Message, **more: object) -> None:
        known = {
            "alert_id": message.alert_id,
            "channel": channel,
            "attempt": message.attempt,
        }
        with self._pool.connection() as connection:
            connection.execute(_SQL[query], known | more)


def _write(
    connection: Connection[Any],
    reaction: Reaction,
    channels: Sequence[str],
    news_since: datetime,
) -> None:
    match reaction:
        case Raised():
            _write_alert(connection, reaction, channels, news_since)
        case Withdrawn(fact=fact, withdrawal=withdrawal):
            over = {"stream": fact.stream, "position": fact.position}
            why = {"topic": withdrawal.topic, "reason": withdrawal.reason}
            connection.execute(_SQL["supersede"], over | why)
        case Stumble(position=position, rule=rule, reason=reason):
            noted = {"position": position, "rule": rule, "reason": reason}
            connection.execute(_SQL["note_stumble"], noted)


def _write_alert(
    connection: Connection[Any], raised: Raised, channels: Sequence[str], news_since: datetime
) -> None:
    fact, alert = raised.fact, raised.alert
    identity = alert_id(fact, raised.rule, alert.policy_version)
    row = {
        "alert_id": identity,
        "rule": raised.rule,
        "policy_version": alert.policy_version,
        "topic": alert.topic,
        "stream": fact.stream,
        "position": fact.position,
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at,
        "line": alert.line,
        "body": message_body(alert, fact, raised.rule),
    }
    if connection.execute(_SQL["add_alert"], row).rowcount == 0:
        return  # known: the ledger is read again, and nothing is sent again
    query = "withhold_delivery" if fact.recorded_at < news_since else "add_delivery"
    for channel in channels:
        delivery = {"alert_id": identity, "channel": channel, "reason": HISTORY_REASON}
        connection.execute(_SQL[query], delivery)
