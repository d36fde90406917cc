"""The way to Temporal, as `temporalio.envconfig` finds it: TEMPORAL_ADDRESS, namespace, API key, mTLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from workflows import search_attributes


class _TerseFailureConverter(DefaultFailureConverter):
    """Leaves the stack trace out of what an activity raises on purpose: its type says it all, and the trace would
    put thirty lines and the machine's paths before it."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError):
            failure.stack_trace = ""


DATA_CONVERTER = DataConverter(failure_converter_class=_TerseFailureConverter)
"""For every client, worker and replay."""

DEFAULT_ADDRESS = "localhost:7233"
"""Where a Temporal server listens unless it is told otherwise."""


async def connect(**options: Any) -> Client:
    """A client by the environment's settings; `options` go before. Raises RuntimeError if nothing answers."""
    config: Mapping[str, Any] = {
        "target_host": DEFAULT_ADDRESS,
        "data_converter": DATA_CONVERTER,
        **ClientConfig.load_client_connect_config(),
        **options,
    }
    return await Client.connect(**config)


_INDEXED = {
    SearchAttributeIndexedValueType.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SearchAttributeIndexedValueType.KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    SearchAttributeIndexedValueType.INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def register_search_attributes(client: Client) -> None:
    """Registers what is missing in the client's namespace. May run at any time, from several processes."""
    operators = client.operator_service
    known = await operators.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    missing = [key for key in search_attributes.ALL if key.name not in known.custom_attributes]
    if not missing:
        return
    try:
        await operators.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes={key.name: _INDEXED[key.indexed_value_type] for key in missing},
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # another process was faster
            raise
