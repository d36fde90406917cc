"""Connects to Temporal by the settings that `temporalio.envconfig` reads: address, namespace, API key, mTLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from runtime.weak_settings import is_loopback
from settings import SettingsError
from workflows import search_attributes


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


async def connect(**options: Any) -> Client:
    """Connects by the environment's settings; `options` override them. Raises RuntimeError if nothing answers, and
    `SettingsError`, which quotes no secret, if a setting is wrong."""
    config: Mapping[str, Any] = {
        "target_host": DEFAULT_ADDRESS,
        "data_converter": DATA_CONVERTER,
        **_connect_config(),
        **options,
    }
    host = config["target_host"].rpartition(":")[0]
    if config.get("api_key") and config.get("tls") is False and not is_loopback(host):
        raise SettingsError("TEMPORAL_TLS: false would send TEMPORAL_API_KEY in the clear: leave it empty")
    return await Client.connect(**config)


def _connect_config() -> Mapping[str, Any]:
    try:
        return ClientConfig.load_client_connect_config()
    except Exception as error:  # noqa: BLE001 - the SDK's ConfigError has no public name
        # The first line says where; those below quote the file, which may hold the API key. No cause, for the same
        # reason.
        place = str(error).partition("\n")[0]
        hint = ": correct the file that TEMPORAL_CONFIG_FILE names" if "TOML" in place else ""
        raise SettingsError(f"TEMPORAL_*: {place}{hint}") from None


_INDEXED = {
    SearchAttributeIndexedValueType.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SearchAttributeIndexedValueType.KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    SearchAttributeIndexedValueType.INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def register_search_attributes(client: Client) -> None:
    """Registers the search attributes that the namespace lacks. May run at any time and in several processes."""
    if missing := await missing_search_attributes(client):
        await add_search_attributes(client, missing)


async def missing_search_attributes(client: Client) -> list[SearchAttributeKey[Any]]:
    """Returns those of our search attributes that the namespace lacks. Raises `RPCError`."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = (await client.operator_service.list_search_attributes(request)).custom_attributes
    return [key for key in search_attributes.ALL if key.name not in known]


async def add_search_attributes(client: Client, keys: Iterable[SearchAttributeKey[Any]]) -> None:
    """Adds the search attributes to the namespace. Does nothing if another process was faster."""
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes={key.name: _INDEXED[key.indexed_value_type] for key in keys},
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
