"""Rules and channels are found by walking their folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from infra.plumbing.settings import load_settings
from services.notifier import channels, rules
from services.notifier.discovery import discover_rules, open_channels, refuse_twins
from services.notifier.errors import ChannelMisconfigured, NameTaken
from tests.services.notifier.house import fact

SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def files(package_file: str | None) -> list[str]:
    assert package_file is not None
    found = sorted(path.stem for path in Path(package_file).parent.glob("*.py"))
    return [name for name in found if name != "__init__"]


def test_every_file_in_rules_is_a_rule_named_after_it() -> None:
    assert [rule.name for rule in discover_rules()] == files(rules.__file__)


def test_every_rule_says_what_it_does_in_one_sentence() -> None:
    assert all(rule.sentence.endswith(".") for rule in discover_rules())


@given(st.text(), st.dictionaries(st.text(), st.none() | st.text() | st.integers()))
def test_no_rule_has_anything_to_say_about_a_fact_it_does_not_know(
    kind: str, data: dict[str, str | int | None]
) -> None:
    assert all(rule.react(fact(data, f"unknown.{kind}")) is None for rule in discover_rules())


def test_every_file_in_channels_is_a_channel_named_after_it() -> None:
    settings = load_settings(webhook_url="https://example.com/", webhook_secret=SECRET)
    assert [channel.name for channel in open_channels(settings)] == files(channels.__file__)


def test_without_settings_there_is_the_console() -> None:
    assert [channel.name for channel in open_channels(load_settings())] == ["console"]


def test_a_channel_set_up_wrongly_stops_the_start() -> None:
    with pytest.raises(ChannelMisconfigured):
        open_channels(load_settings(webhook_url="https://example.com/"))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(NameTaken, match="Two rules are called a"):
        refuse_twins("rules", ["a", "b", "a"])
