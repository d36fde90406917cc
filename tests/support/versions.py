"""Builds of a Worker Deployment: which gets the tasks, by Temporal's own API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.support.scene import PATIENCE, Scene

DEPLOYMENT = "expiry"
UNVERSIONED = ""
_NOT_YET = (
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.CANCELLED,  # how the SDK tells that a busy server has not answered in time
    RPCStatusCode.DEADLINE_EXCEEDED,
)


def of_build(scene: Scene, build: str) -> Scene:
    """The scene in which workers are of this build."""
    return scene.with_settings(worker_deployment=DEPLOYMENT, worker_build_id=build)


async def promote(client: Client, build: str) -> None:
    """Makes the build current, once the server knows that its workers poll. `UNVERSIONED`: leaves versioning."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build
    )
    await _once_known(client.workflow_service.set_worker_deployment_current_version, request)


async def ramp(client: Client, build: str, percentage: float) -> None:
    """Gives the build this share of the workflows; at 0 it gets none."""
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build, percentage=percentage
    )
    await _once_known(client.workflow_service.set_worker_deployment_ramping_version, request)


async def _once_known(set_it: Callable[[Any], Awaitable[object]], request: object) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await set_it(request)
            except RPCError as error:
                if error.status not in _NOT_YET:
                    raise
                await asyncio.sleep(0.1)  # the server tells nobody that it has seen the workers
            else:
                return
