"""The console channel: one line an alert, and an output that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import SecretStr

from infra.plumbing.settings import load_settings
from services.notifier.channel import Delivered, Message, TryAgain
from services.notifier.channels.console import ConsoleChannel, open_channel, write_line

if TYPE_CHECKING:
    import pytest

MESSAGE = Message(
    alert_id=UUID(int=1), customer=UUID(int=2), attempt=1, line="silence: quiet.", body=b"{}"
)
LINE = "alert  customer 00000000-0000-0000-0000-000000000002  silence: quiet."
DATABASE = SecretStr("postgresql://localhost/x")


def test_an_alert_is_one_line() -> None:
    lines: list[str] = []
    assert ConsoleChannel(lines.append).deliver(MESSAGE) == Delivered()
    assert lines == [LINE]


def test_by_itself_it_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert ConsoleChannel(write_line).deliver(MESSAGE) == Delivered()
    assert capsys.readouterr().out == f"{LINE}\n"


def test_an_output_that_is_gone_is_tried_again() -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError

    outcome = ConsoleChannel(broken).deliver(MESSAGE)
    assert outcome == TryAgain("the console cannot be written to (BrokenPipeError)")


def test_it_is_always_on_in_the_embedded_shape() -> None:
    assert open_channel(load_settings()) is not None
    assert open_channel(load_settings(webhook_url="https://example.com/")) is not None


def test_elsewhere_it_stands_in_where_no_webhook_is_set() -> None:
    assert open_channel(load_settings(database_url=DATABASE)) is not None
    both = load_settings(database_url=DATABASE, webhook_url="https://example.com/")
    assert open_channel(both) is None
