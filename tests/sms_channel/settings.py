"""The settings of the SMS channel, from the environment, with `SMS_` before each name."""

from __future__ import annotations

from pydantic import PositiveFloat, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SmsSettings(BaseSettings):
    """Empty `api_url`: the channel is not configured."""

    model_config = SettingsConfigDict(env_prefix="SMS_", env_ignore_empty=True)

    api_url: str | None = None
    key: SecretStr | None = None
    admin_number: str | None = None
    retry_initial: PositiveFloat = 10
    attempt_timeout: PositiveFloat = 30
    rate: PositiveFloat = 10_000
