"""Checks of Temporal: whether it is reached, and whether the namespace has what we need."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.service import RPCError, RPCStatusCode

from commands.doctor.installation import Installation
from commands.doctor.result import Result, failed, ok
from temporal.attributes import how_to_add, missing_search_attributes
from temporal.reasons import why_away
from workflows import search_attributes


async def look_at_server(installation: Installation) -> Result:
    """Connects, and asks for the version and the namespace. Raises `SettingsError`."""
    try:
        client = await installation.client()
    except (RuntimeError, TimeoutError) as error:
        return failed(why_away(error), "Check TEMPORAL_ADDRESS, TLS and the key, and that the server runs.")
    service, place = client.workflow_service, client.service_client.config.target_host
    version = (await service.get_system_info(GetSystemInfoRequest())).server_version
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return failed(
                f"server {version} at {place} has no namespace {client.namespace}",
                "Correct TEMPORAL_NAMESPACE, or create it: `temporal operator namespace create`.",
                version=version,
            )
        if error.status is not RPCStatusCode.PERMISSION_DENIED:
            raise
    return ok(f"server {version} at {place}, namespace {client.namespace}", version=version, namespace=client.namespace)


async def look_at_search_attributes(installation: Installation) -> Result:
    """Looks for those that our workflows set."""
    client = await installation.temporal()
    missing = await missing_search_attributes(client)
    if missing:
        names = [key.name for key in missing]
        return failed(
            f"missing: {', '.join(names)}",
            "Run `cli.py schedules apply`, or start a worker: both add them, if the credentials may. "
            f"{how_to_add(client.namespace, missing)}",
            missing=names,
        )
    return ok(f"all {len(search_attributes.ALL)} are there")
