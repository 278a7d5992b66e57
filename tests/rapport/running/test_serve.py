"""Loops in the background: one that fails takes the program down with its own error."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.errors import PortTaken
from rapport.running.serve import in_background, take_port, url_of
from rapport.running.signals import StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event


class Broken(Exception):
    """What a loop fails with here."""


def test_loops_run_until_the_end_and_are_told_to_stop() -> None:
    told: list[str] = []

    def loop(name: str) -> Callable[[Event], None]:
        def run(stop: Event) -> None:
            stop.wait()
            told.append(name)

        return run

    with in_background([("a", loop("a")), ("b", loop("b"))]):
        assert told == []
    assert sorted(told) == ["a", "b"]


def test_a_loop_that_fails_asks_the_program_to_stop_and_its_error_comes_out() -> None:
    def fail(_: Event) -> None:
        raise Broken

    with StopSignals() as signals, pytest.raises(Broken):  # noqa: PT012 - waiting is part of it
        signals.serving = True
        with in_background([("broken", fail)]):
            assert signals.stop.wait(10)


def test_a_signal_before_serving_leaves_and_while_serving_only_tells() -> None:
    with StopSignals() as signals:
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGTERM)
        signals.stop.clear()
        signals.serving = True
        signal.raise_signal(signal.SIGINT)
        assert signals.stop.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_port_is_taken_once() -> None:
    with take_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert url_of(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}.*--port"):
            take_port("127.0.0.1", port)
    with pytest.raises(PortTaken, match="another with --port"):
        take_port("203.0.113.1", 0)
