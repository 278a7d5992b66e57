"""Promise P7: each alert is delivered at least once, always with the same id, after any kill.

The notifier runs in a child process with the product's own channels. The sink kills it with
SIGKILL while a request is open: sent, and not yet marked. Then it starts again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from standardwebhooks import Webhook

from services.notifier.alert import alert_id
from tests.services.notifier.house import deliveries, raise_signals, statuses, wait_until
from tests.services.notifier.sink import OK, Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from infra.plumbing.ledger.ledger import Ledger
    from infra.plumbing.postgres.pool import Pool
    from tests.services.notifier.sink import Behaviour, Received

CHILD = Path(__file__).with_name("child.py")
ROOT = CHILD.parents[3]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the published test vector
LEASE = "0.5"


@contextmanager
def notifier(conninfo: str, url: str) -> Generator[subprocess.Popen[str]]:
    """Start a child; at the end it must stop on SIGTERM, calmly, unless it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-W", "error", str(CHILD), conninfo, url, SECRET, LEASE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        _, complaints = child.communicate(timeout=30)
    assert child.returncode in {0, -signal.SIGKILL}
    assert complaints == ""


def _kills(child: subprocess.Popen[str], at: int) -> Callable[[Received], Behaviour]:
    def behave(received: Received) -> Behaviour:
        if received.number == at:
            child.kill()
            child.wait()
        return OK

    return behave


@pytest.mark.faults
@pytest.mark.parametrize("dies_at", [[1], [3, 2], [1, 2, 1, 2]])
def test_killed_between_send_and_mark_it_sends_again_with_the_same_id(
    ledger: Ledger, pool: Pool, conninfo: str, dies_at: list[int]
) -> None:
    """`dies_at`: each child in turn is killed at its n-th request."""
    raise_signals(ledger, range(1, 11))
    with Sink() as sink:
        for request in dies_at:
            with notifier(conninfo, sink.url) as child:
                sink.behave = _kills(child, len(sink.received) + request)
                wait_until(lambda c=child: c.poll() is not None)
            assert child.returncode == -signal.SIGKILL
        sink.behave = lambda _: OK
        with notifier(conninfo, sink.url):
            wait_until(lambda: statuses(pool) == ["delivered"] * 10)
            wait_until(lambda: statuses(pool, "console") == ["delivered"] * 10)

    causes = ledger.facts_after(0)
    expected = {str(alert_id(cause, "churn_signals", "default-1")) for cause in causes}
    assert set(sink.ids) == expected
    assert len(sink.ids) >= 10 + len(dies_at), "no kill fell between send and mark"
    bodies = {(received.alert_id, received.body) for received in sink.received}
    assert len(bodies) == 10
    for received in sink.received:
        message = Webhook(SECRET).verify(received.body, dict(received.headers))
        assert message["data"]["alert_id"] == received.alert_id
    assert {str(row["alert_id"]) for row in deliveries(pool)} == expected


@pytest.mark.faults
def test_it_stops_on_sigterm_and_shows_one_line_an_alert(
    ledger: Ledger, pool: Pool, conninfo: str
) -> None:
    raise_signals(ledger, [1, 2])
    with Sink() as sink, notifier(conninfo, sink.url):
        wait_until(lambda: statuses(pool) == ["delivered"] * 2 == statuses(pool, "console"))
    assert orjson.loads(sink.received[0].body)["type"] == "churn_signal.alert"
