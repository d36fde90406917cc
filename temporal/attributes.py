"""Makes sure that the namespace has the search attributes that our workflows set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from settings import SettingsError
from workflows import search_attributes

REFUSALS = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)
"""Adding needs the namespace's admin. Temporal Cloud has other commands for it."""

log = structlog.get_logger(__name__)

_INDEXED = {
    SearchAttributeIndexedValueType.KEYWORD: (IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, "Keyword"),
    SearchAttributeIndexedValueType.KEYWORD_LIST: (IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST, "KeywordList"),
    SearchAttributeIndexedValueType.INT: (IndexedValueType.INDEXED_VALUE_TYPE_INT, "Int"),
}
"""For each type its number in the API and its name in the commands."""


async def register_search_attributes(client: Client) -> None:
    """Adds the search attributes that the namespace lacks. May run at any time and in several processes.

    If all are there, it needs no right to add any. Raises `SettingsError`, which says what to run, if some are missing
    and may not be added.
    """
    try:
        missing = await missing_search_attributes(client)
    except RPCError as error:
        if error.status not in REFUSALS:
            raise
        log.warning("search_attributes_unchecked", error=error.status.name)
        return
    if not missing:
        return
    try:
        await add_search_attributes(client, missing)
    except RPCError as error:
        if error.status not in REFUSALS:
            raise
        raise SettingsError(
            f"TEMPORAL_NAMESPACE: {client.namespace} lacks search attributes, and these credentials may not add them. "
            f"{how_to_add(client.namespace, missing)}"
        ) from None


def how_to_add(namespace: str, missing: Sequence[SearchAttributeKey[Any]]) -> str:
    """Says which commands add them."""
    types = [(key.name, _INDEXED[key.indexed_value_type][1]) for key in missing]
    own = " ".join(f"--name {name} --type {kind}" for name, kind in types)
    cloud = " ".join(f"--search-attribute {name}={kind}" for name, kind in types)
    return (
        f"With the rights of the namespace's admin, run `temporal operator search-attribute create --namespace "
        f"{namespace} {own}`; for Temporal Cloud, `tcld namespace search-attributes add --namespace {namespace} "
        f"{cloud}`."
    )


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
                search_attributes={key.name: _INDEXED[key.indexed_value_type][0] for key in keys},
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
