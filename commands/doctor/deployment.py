"""Checks whether a worker of this build gets tasks, as Worker Deployment Versioning has it."""

from __future__ import annotations

import asyncio

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from commands.doctor.installation import Installation
from commands.doctor.result import Result, failed, ok, warning
from contracts.queues import WORKFLOWS, task_queue
from temporal.deployment import deployment_version, find_current, find_routing

SET_CURRENT = "temporal worker deployment set-current-version --deployment-name {name}"


async def look_at_deployment(installation: Installation) -> Result:
    """Says which build is current: a versioned worker gets nothing before, an unversioned one nothing after."""
    client = await installation.temporal()
    of_this = await asyncio.to_thread(deployment_version, installation.settings)
    if of_this is None:
        return await _without_version(client, task_queue(installation.settings.task_queue_prefix, WORKFLOWS))
    return await _with_version(client, of_this)


async def _without_version(client: Client, queue: str) -> Result:
    current = await find_current(client, queue)
    if current is None:
        return ok("workers without a version get the tasks", current=None)
    name = current.deployment_name
    return failed(
        f"the task queue {queue} belongs to build {current.build_id} of the deployment {name}: a worker without a "
        "version gets no task",
        f"Set WORKER_DEPLOYMENT={name}. Or leave versioning: start workers without a version, then "
        f"`{SET_CURRENT.format(name=name)} --unversioned`.",
        current=current.build_id,
    )


async def _with_version(client: Client, of_this: WorkerDeploymentVersion) -> Result:
    name, build = of_this.deployment_name, of_this.build_id
    promote = f"`{SET_CURRENT.format(name=name)} --build-id {build}`"
    routing = await find_routing(client, name)
    if routing is None:
        return warning(
            f"no worker of the deployment {name} has polled yet",
            f"Start a worker of this build, then make it current: {promote}.",
            build_id=build,
            current=None,
        )
    details = {"build_id": build, "current": routing.current, "ramping": routing.ramping}
    if routing.current == build:
        return ok(f"build {build} is the current one of the deployment {name}", **details)
    others = f"build {routing.current}" if routing.current else "workers without a version"
    if routing.ramping == build:
        share = f"{routing.ramping_percentage:g} %"
        return ok(f"build {build} of the deployment {name} gets {share} of the workflows, {others} the rest", **details)
    return warning(
        f"build {build} is not current in the deployment {name}: its workers get no task, {others} do",
        f"To let it take over, start its workers, then run {promote}.",
        **details,
    )
