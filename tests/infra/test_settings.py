"""Settings are read once, are frozen, and a wrong one is said in a sentence without its value."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.plumbing.errors import SettingsError
from infra.plumbing.settings import Settings, load_settings


def test_without_any_setting_the_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.data_dir == Path.cwd() / ".rapport"
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.master_key_path == settings.data_dir / "secrets" / "master.key"
    assert settings.webhook_url is None


def test_the_environment_is_read_and_an_override_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_PORT", "9000")
    monkeypatch.setenv("RAPPORT_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("RAPPORT_MASTER_KEY_FILE", "~/master.key")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "")
    settings = load_settings(port=None)
    assert settings.port == 9000
    assert settings.log_level == "warning"
    assert settings.master_key_path == Path.home() / "master.key"
    assert settings.database_url is None
    assert load_settings(port=0).port == 0


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("RAPPORT_PORT", "eighty", "valid integer"),
        ("RAPPORT_PORT", "65536", "less than or equal to 65535"),
        ("RAPPORT_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("RAPPORT_DATABASE_URL", "hush-hush", "postgresql://user:password@host:5432/name"),
        ("RAPPORT_DATABASE_URL", "http://u:hush-hush@h/db", "postgresql://user:password@host"),
        ("RAPPORT_WEBHOOK_URL", "ftp://hush-hush.example.org", "http:// or https://"),
        ("RAPPORT_WEBHOOK_URL", "https://", "http:// or https://"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    said = str(refusal.value)
    assert said.startswith(f"{variable} is wrong: ")
    assert words in said
    assert "hush-hush" not in said
    assert "\n" not in said


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "postgresql://ada:hush-hush@db/rapport")
    monkeypatch.setenv("RAPPORT_WEBHOOK_SECRET", "whsec_hush-hush")
    settings = load_settings()
    assert "hush-hush" not in repr(settings)
    assert "hush-hush" not in settings.model_dump_json()


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue] - that is the point


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
