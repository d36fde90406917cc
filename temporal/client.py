"""Connects to Temporal by the settings that `temporalio.envconfig` reads: address, namespace, API key, mTLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.service import TLSConfig

from runtime.weak_settings import is_loopback
from settings import Settings, SettingsError


class _TerseFailureConverter(DefaultFailureConverter):
    """Removes the stack trace from errors that an activity raises on purpose: the type is enough, and the trace would
    add thirty lines with the machine's paths."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError):
            failure.stack_trace = ""


DATA_CONVERTER = DataConverter(failure_converter_class=_TerseFailureConverter)
"""For every client, worker and replay."""

DEFAULT_ADDRESS = "localhost:7233"
"""Where a Temporal server listens by default."""


@dataclass(frozen=True)
class Credentials:
    """What a connection proves itself with. Files are read when this is made."""

    api_key: str | None
    tls: TLSConfig | bool | None


class RenewableClient(Client):
    """A client that can go on with other credentials. Everything that holds it uses the new connection from then on."""

    options: Mapping[str, Any]
    """The part of its configuration that is not from the environment."""
    credentials: Credentials
    """Those with which it was connected first."""

    def current_credentials(self) -> Credentials:
        """Reads the environment's settings and their files again. Raises `SettingsError`."""
        return _credentials(_configuration(self.options))

    async def renew(self) -> None:
        """Goes on with the current credentials, once Temporal has accepted them on a connection of their own.

        Raises `RPCError`, RuntimeError, ValueError and `SettingsError`; then nothing has changed.
        """
        renewed = await connect(**{**self.options, "lazy": False})
        await renewed.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=renewed.namespace))
        super().__init__(**renewed.config())


async def connect(**options: Any) -> RenewableClient:
    """Connects by the environment's settings; `options` override them. Raises RuntimeError if nothing answers, and
    `SettingsError`, which quotes no secret, if a setting is wrong."""
    config = _configuration(options)
    client = await RenewableClient.connect(**config)
    client.options, client.credentials = options, _credentials(config)
    return client


def _configuration(options: Mapping[str, Any]) -> Mapping[str, Any]:
    config: dict[str, Any] = {"target_host": DEFAULT_ADDRESS, "data_converter": DATA_CONVERTER, **_connect_config()}
    api_key = Settings.load().optional_secret("temporal_api_key")
    if api_key is not None:
        config["api_key"] = api_key
    config |= options
    host = config["target_host"].rpartition(":")[0]
    if config.get("api_key") and config.get("tls") is False and not is_loopback(host):
        raise SettingsError("TEMPORAL_TLS: false would send TEMPORAL_API_KEY in the clear: leave it empty")
    return config


def _credentials(config: Mapping[str, Any]) -> Credentials:
    return Credentials(config.get("api_key"), config.get("tls"))


def _connect_config() -> Mapping[str, Any]:
    try:
        return ClientConfig.load_client_connect_config()
    except Exception as error:  # noqa: BLE001 - the SDK's ConfigError has no public name
        # The first line says where; those below quote the file, which may hold the API key. No cause, for the same
        # reason.
        place = str(error).partition("\n")[0]
        hint = ": correct the file that TEMPORAL_CONFIG_FILE names" if "TOML" in place else ""
        raise SettingsError(f"TEMPORAL_*: {place}{hint}") from None
