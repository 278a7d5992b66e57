"""What a person may set, read once from the environment and then frozen.

Every setting has a description (a test holds the documentation to it) and a safe default. Command
line options override the environment through `load_settings(port=8081)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.plumbing.errors import SettingsError

ENV_PREFIX = "RAPPORT_"


class Settings(BaseSettings):
    """All settings. The environment variable of `port` is `RAPPORT_PORT`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    data_dir: Path = Field(
        default=Path(".rapport"),
        validate_default=True,
        description="Folder for the embedded database, the keys and the lock.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="Your own PostgreSQL, as postgresql://user:password@host:5432/name. "
        "Without it an embedded server runs in the data folder.",
    )
    database_vault_url: SecretStr | None = Field(
        default=None,
        description="Connects to your own database for work with customers' keys, names or API "
        "keys. "
        "Without it: the user in RAPPORT_DATABASE_URL.",
    )
    database_owner_url: SecretStr | None = Field(
        default=None,
        description="Connects as the owner of your own database, for migrations and retention "
        "alone. Without it: the user in RAPPORT_DATABASE_URL.",
    )
    database_signer_url: SecretStr | None = Field(
        default=None,
        description="Connects to your own database as the signer. "
        "Without it: the user in RAPPORT_DATABASE_URL.",
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address the web server listens on."
    )
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="Port the web server listens on; 0 takes a free one.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much is logged: debug, info, warning or error."
    )
    master_key_file: Path | None = Field(
        default=None,
        description="File of the master key that wraps every customer's key. "
        "Without it: secrets/master.key in the data folder.",
    )
    webhook_url: str | None = Field(
        default=None, description="http(s) address that alerts are sent to; none, none sent."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret (whsec_...) that signs alerts in the Standard Webhooks scheme.",
    )
    signer_key_file: Path | None = Field(
        default=None,
        description="File of the key that signs checkpoints. "
        "Without it: secrets/signer.key in the data folder.",
    )
    checkpoints_dir: Path | None = Field(
        default=None,
        description="Folder that signed checkpoints and their public key are published in. "
        "Without it: checkpoints in the data folder.",
    )
    checkpoint_webhook_url: str | None = Field(
        default=None,
        description="http(s) address that each signed checkpoint is sent to; none, none sent.",
    )
    schemas_dir: Path | None = Field(
        default=None,
        description="Folder of your own event schemas, laid out as events/schemas/ is.",
    )

    @property
    def master_key_path(self) -> Path:
        """The file of the master key, whether set or by default."""
        return self.master_key_file or self.data_dir / "secrets" / "master.key"

    @property
    def signer_key_path(self) -> Path:
        """The file of the signer's key, whether set or by default."""
        return self.signer_key_file or self.data_dir / "secrets" / "signer.key"

    @property
    def checkpoints_path(self) -> Path:
        """The folder of published checkpoints, whether set or by default."""
        return self.checkpoints_dir or self.data_dir / "checkpoints"

    @field_validator(
        "data_dir", "master_key_file", "signer_key_file", "checkpoints_dir", "schemas_dir"
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator(
        "database_url", "database_vault_url", "database_owner_url", "database_signer_url"
    )
    @classmethod
    def _libpq_reads_it(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = conninfo_to_dict(value.get_secret_value())
        except ProgrammingError:
            parts = {}
        if not parts:
            # The cause may repeat the password, so it is not passed on.
            message = "it should look like postgresql://user:password@host:5432/name"
            raise ValueError(message)
        return value

    @field_validator("webhook_url", "checkpoint_webhook_url")
    @classmethod
    def _http_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("it should be an http:// or https:// address")
        return value


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; an override that is not None wins over it.

    Raises:
        SettingsError: a value cannot be meant; the sentence names the variable and the cure.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Say which settings are wrong, without repeating the values (they may be secrets)."""
    wrong: list[str] = []
    for item in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in item["loc"]).upper()
        reason = item["msg"].removeprefix("Value error, ").rstrip(".")
        wrong.append(f"{ENV_PREFIX}{name} is wrong: {reason[0].lower()}{reason[1:]}")
    return "; ".join(wrong) + "."
