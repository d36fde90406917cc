"""The search attributes are listed first; credentials without the right to add any work where all are there."""

from __future__ import annotations

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import OperatorService, RPCError, RPCStatusCode

from settings import SettingsError
from temporal.attributes import missing_search_attributes, register_search_attributes
from workflows import search_attributes

NEW = (SearchAttributeKey.for_keyword("Colour"), SearchAttributeKey.for_keyword_list("Shades"))


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, status: RPCStatusCode) -> None:
    """Refuses a call as a server does whose authorizer does not let us; the dev server has none. `make
    production-check` has a true one."""

    async def refused(*_: object, **__: object) -> None:
        raise RPCError("Request unauthorized.", status, b"")

    monkeypatch.setattr(OperatorService, call, property(lambda _: refused), raising=False)


async def test_with_all_there_none_is_added(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "add_search_attributes", RPCStatusCode.PERMISSION_DENIED)
    await register_search_attributes(temporal)


async def test_only_what_is_missing_is_added(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_attributes, "ALL", (*search_attributes.ALL, *NEW))
    assert await missing_search_attributes(temporal) == list(NEW)
    await register_search_attributes(temporal)
    assert await missing_search_attributes(temporal) == []


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_a_missing_one_that_may_not_be_added_names_the_commands(
    temporal: Client, monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode
) -> None:
    refuse(monkeypatch, "add_search_attributes", status)
    monkeypatch.setattr(search_attributes, "ALL", (*search_attributes.ALL, *NEW))
    with pytest.raises(SettingsError) as error:
        await register_search_attributes(temporal)
    namespace = temporal.namespace
    assert str(error.value) == (
        f"TEMPORAL_NAMESPACE: {namespace} lacks search attributes, and these credentials may not add them. With the "
        f"rights of the namespace's admin, run `temporal operator search-attribute create --namespace {namespace} "
        "--name Colour --type Keyword --name Shades --type KeywordList`; for Temporal Cloud, `tcld namespace "
        f"search-attributes add --namespace {namespace} --search-attribute Colour=Keyword --search-attribute "
        "Shades=KeywordList`."
    )


async def test_a_list_that_may_not_be_read_stops_nothing(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "list_search_attributes", RPCStatusCode.PERMISSION_DENIED)
    refuse(monkeypatch, "add_search_attributes", RPCStatusCode.PERMISSION_DENIED)
    await register_search_attributes(temporal)


async def test_a_server_that_is_away_is_another_matter(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "add_search_attributes", RPCStatusCode.UNAVAILABLE)
    monkeypatch.setattr(search_attributes, "ALL", (*search_attributes.ALL, *NEW))
    with pytest.raises(RPCError):
        await register_search_attributes(temporal)
